import { ReactorError, type ReactorErrorCode } from '../errors/errors.js';

const REASONS: Readonly<Record<number, readonly [code: ReactorErrorCode, text: string]>> = {
  408: ['ERR_REACTOR_BODY_TIMEOUT', 'the request body did not arrive within `timeouts.body`'],
  413: ['ERR_REACTOR_BODY_TOO_LARGE', 'the request body is larger than `limits.body`'],
  431: ['ERR_REACTOR_BODY_INVALID', 'the trailers of the request are larger than `limits.head`'],
  503: ['ERR_REACTOR_BODY_REFUSED', 'the server has no room for the rest of the request body'],
};

const BROKEN: readonly [code: ReactorErrorCode, text: string] = [
  'ERR_REACTOR_BODY_INVALID',
  'the request body is not framed as HTTP has it',
];

/**
 * Why the rest of a request's body cannot be read although the client is there: the engine has
 * refused it, and has answered.
 */
export class RefusedBodyError extends ReactorError {
  /** The status of the engine's answer. */
  readonly status: number;

  constructor(status: number) {
    const [code, text] = REASONS[status] ?? BROKEN;
    super(code, `${text}; the client was answered with ${status}`);
    this.status = status;
  }
}
