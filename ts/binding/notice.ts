import { here, isSupported, unsupported } from './platform.js';

/**
 * Warns once, on a platform that is not supported. It is no error, since programs are also written
 * and type-checked on machines that do not serve.
 */
if (!isSupported(here)) {
  process.emitWarning(unsupported(here), { code: 'ERR_REACTOR_PLATFORM' });
}
