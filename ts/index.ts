export { ERROR_CODES, ReactorError, type ReactorErrorCode } from './errors.js';
export { serve } from './serve.js';
export type {
  ByteStats,
  ClosedStats,
  ConnectionStats,
  IoThreadStats,
  LatencyStats,
  Limits,
  MethodRoutes,
  ReloadOptions,
  RequestStats,
  Route,
  Routes,
  ServeOptions,
  Server,
  StaticResponse,
  Stats,
  StopOptions,
  TaskStats,
  ThreadCount,
  Timeouts,
  WorkerThreadStats,
} from './types.js';
