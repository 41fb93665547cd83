import './notice.js';

export { bench } from './bench.js';
export type {
  BenchBytes,
  BenchConnections,
  BenchErrors,
  BenchFirstError,
  BenchLatency,
  BenchOpenLoop,
  BenchOptions,
  BenchProgress,
  BenchResult,
  BenchSettings,
  BenchStatus,
  LatencyBucket,
} from './bench-types.js';
export { ERROR_CODES, ReactorError, type ReactorErrorCode } from './errors.js';
export { Headers, Request, Response } from './globals.js';
export { serve } from './serve.js';
export type {
  AccessLogOptions,
  AccessLogStats,
  ByteStats,
  ClosedStats,
  ConnectionStats,
  Handler,
  HandlerInfo,
  HandlerStats,
  IoThreadStats,
  LaneStats,
  LatencyStats,
  Limits,
  MethodRoutes,
  Params,
  PeerAddress,
  ReloadModuleOptions,
  ReloadOptions,
  RequestStats,
  Route,
  Routes,
  ServeOptions,
  Server,
  ServerRequest,
  StaticResponse,
  Stats,
  StopOptions,
  TaskStats,
  ThreadCount,
  ThreadLimits,
  Timeouts,
  TrustProxy,
  WorkerThreadStats,
} from './types.js';
