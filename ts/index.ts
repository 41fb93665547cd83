import './binding/notice.js';

export { bench } from './bench/bench.js';
export type {
  BenchBytes,
  BenchConnections,
  BenchErrors,
  BenchFirstError,
  BenchHttp2,
  BenchHttp2Code,
  BenchLatency,
  BenchOpenLoop,
  BenchOptions,
  BenchProgress,
  BenchResult,
  BenchSettings,
  BenchStatus,
  BenchTls,
  BenchTlsOptions,
  BenchWebSocketOptions,
  BenchWebSocketSettings,
  LatencyBucket,
} from './bench/types.js';
export { ERROR_CODES, ReactorError, type ReactorErrorCode } from './errors/errors.js';
export { file } from './fetch/file.js';
export { Headers, Request, Response } from './fetch/globals.js';
export { serve } from './serve.js';
export type {
  DenoAddress,
  DenoUnixAddress,
  ListenAddress,
  NodeAddress,
  PeerAddress,
  URLAsText,
} from './types/addresses.js';
export type { CompressOptions, ContentCoding } from './types/compress.js';
export type { FileInit, ReactorFile } from './types/file.js';
export type { FileRoute, FolderRoute, HeaderFields, ServedFiles } from './types/files.js';
export type {
  Handler,
  HandlerInfo,
  HttpProtocol,
  Params,
  RequestPriority,
  ServerRequest,
} from './types/handler.js';
export type { HealthOptions } from './types/health.js';
export type { ListenEntry, ListenOptions, ProxyProtocol } from './types/listen.js';
export type { MetricsOptions, MetricsRegistry } from './types/metrics.js';
export type {
  AccessLogOptions,
  Limits,
  ServeOptions,
  ThreadCount,
  ThreadLimits,
  Timeouts,
  TrustProxy,
} from './types/options.js';
export type { ProxyAddress, ProxyInfo, ProxyTlsInfo } from './types/proxy.js';
export type {
  PubSub,
  PubSubEvents,
  PubSubGap,
  PubSubOptions,
  PubSubStats,
} from './types/pubsub.js';
export type { MethodRoutes, Route, Routes, StaticAnswer, StaticResponse } from './types/routes.js';
export type { ReloadModuleOptions, ReloadOptions, Server, StopOptions } from './types/server.js';
export type {
  AccessLogStats,
  ByteStats,
  CertificateStats,
  ClosedStats,
  ConnectionStats,
  HandlerStats,
  Http2Stats,
  IoThreadStats,
  LaneStats,
  LatencyStats,
  NodeStats,
  ProxyProtocolStats,
  RequestStats,
  RouteStats,
  Stats,
  TaskStats,
  TlsStats,
  WebSocketStats,
  WorkerThreadStats,
} from './types/stats.js';
export type {
  SNICallback,
  TlsEncryptedKey,
  TlsOptions,
  TlsText,
  TlsTicketKeys,
} from './types/tls.js';
export type { TlsInfo } from './types/tls-info.js';
export type { Trace } from './types/trace.js';
export type { Trailers } from './types/trailers.js';
export type {
  AllowedOrigins,
  PerMessageDeflateOptions,
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketBinaryType,
  WebSocketBytes,
  WebSocketClosed,
  WebSocketCompressor,
  WebSocketHandlers,
  WebSocketMessage,
  WebSocketOptions,
  WebSocketStream,
} from './types/websocket.js';
