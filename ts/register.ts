/**
 * Puts the quick classes in the place of the global ones at once, not only when {@link serve}
 * starts. It is for modules that derive classes from `Response` while they load, which is before
 * a program can call `serve`.
 *
 * @example
 * import 'reactor-rs/register'; // before the framework
 * import { serve } from 'reactor-rs';
 *
 * @example
 * node --import reactor-rs/register app.mjs
 */
import { installGlobals } from './fetch/globals.js';

installGlobals();
