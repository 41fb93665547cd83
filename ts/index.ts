export { ERROR_CODES, ReactorError, type ReactorErrorCode } from './errors.js';
export { serve } from './serve.js';
export type {
  Limits,
  MethodRoutes,
  ReloadOptions,
  Route,
  Routes,
  ServeOptions,
  Server,
  StaticResponse,
  Stats,
  StopOptions,
  ThreadCount,
  Timeouts,
} from './types.js';
