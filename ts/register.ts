/**
 * Puts the quick classes in the place of the global ones, as {@link serve} does
 * when it starts, but at once: for modules that derive classes of their own from
 * `Response` as they are loaded, and so before anybody can call `serve`.
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
