import { here, isSupported, unsupported } from './platform.js';

/**
 * Says once, where there can be no server, what is supported. A warning and no
 * error: programs are written and type-checked on machines that do not serve.
 */
if (!isSupported(here)) {
  process.emitWarning(unsupported(here), { code: 'ERR_REACTOR_PLATFORM' });
}
