/** Node's errors of HTTP/2, by their code: the class and the message. */
const ERRORS = {
  ERR_HTTP2_HEADERS_AFTER_RESPOND: [
    Error,
    () => 'Cannot specify additional headers after response initiated',
  ],
  ERR_HTTP2_HEADERS_SENT: [Error, () => 'Response has already been initiated.'],
  ERR_HTTP2_HEADER_SINGLE_VALUE: [
    TypeError,
    (name) => `Header field "${name}" must only have a single value`,
  ],
  ERR_HTTP2_INVALID_CONNECTION_HEADERS: [
    TypeError,
    (name) => `HTTP/1 Connection specific headers are forbidden: "${name}"`,
  ],
  ERR_HTTP2_INVALID_INFO_STATUS: [
    RangeError,
    (status) => `Invalid informational status code: ${status}`,
  ],
  ERR_HTTP2_INVALID_PSEUDOHEADER: [
    TypeError,
    (name) => `"${name}" is an invalid pseudoheader or is used incorrectly`,
  ],
  ERR_HTTP2_INVALID_SESSION: [Error, () => 'The session has been destroyed'],
  ERR_HTTP2_INVALID_STREAM: [Error, () => 'The stream has been destroyed'],
  ERR_HTTP2_NO_SOCKET_MANIPULATION: [
    Error,
    () => 'HTTP/2 sockets should not be directly manipulated (e.g. read and written)',
  ],
  ERR_HTTP2_PAYLOAD_FORBIDDEN: [
    Error,
    (status) => `Responses with ${status} status must not have a payload`,
  ],
  ERR_HTTP2_PING_CANCEL: [Error, () => 'HTTP2 ping cancelled'],
  ERR_HTTP2_PUSH_DISABLED: [Error, () => 'HTTP/2 client has disabled push streams'],
  ERR_HTTP2_SEND_FILE: [Error, () => 'Directories cannot be sent'],
  ERR_HTTP2_SESSION_ERROR: [Error, (code) => `Session closed with error code ${code}`],
  ERR_HTTP2_STATUS_101: [
    Error,
    () => 'HTTP status code 101 (Switching Protocols) is forbidden in HTTP/2',
  ],
  ERR_HTTP2_STATUS_INVALID: [RangeError, (status) => `Invalid status code: ${status}`],
  ERR_HTTP2_STREAM_ERROR: [Error, (code) => `Stream closed with error code ${code}`],
  ERR_HTTP2_TRAILERS_ALREADY_SENT: [Error, () => 'Trailing headers have already been sent'],
  ERR_HTTP2_TRAILERS_NOT_READY: [
    Error,
    () => 'Trailing headers cannot be sent until after the wantTrailers event is emitted',
  ],
  ERR_INVALID_CHAR: [TypeError, (name) => `Invalid character in header content ["${name}"]`],
  ERR_INVALID_HTTP_TOKEN: [
    TypeError,
    (name) => `Header name must be a valid HTTP token ["${name}"]`,
  ],
} as const satisfies Record<string, readonly [ErrorConstructor, (given: unknown) => string]>;

/** The error that Node has with this code. */
export function http2Error(code: keyof typeof ERRORS, given?: unknown): Error {
  const [Class, message] = ERRORS[code] as readonly [ErrorConstructor, (given: unknown) => string];
  return Object.assign(new Class(message(given)), { code });
}

/** The names of the error codes, from 0 on (RFC 9113 §7). */
const NAMES = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT'],
  ...['STREAM_CLOSED', 'FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR'],
  ...['CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
];

/** The name of an error code, as Node's messages have it. */
export function nameOfCode(code: number): string {
  const name = NAMES[code];
  return name === undefined ? String(code) : `NGHTTP2_${name}`;
}
