import {
  DEDICATED,
  DROP,
  SHARED,
  TERMINATE,
  UNCOMPRESSED,
  type WebSocketSettings,
} from '../lane/record.js';

export { DEDICATED, DROP, SHARED, TERMINATE, UNCOMPRESSED };

/**
 * Checked settings of WebSockets, with their defaults. One object serves many connections: the
 * engine is told of it once.
 */
export type ResolvedSettings = WebSocketSettings;

const MIB = 1024 * 1024;

const DEFAULTS: ResolvedSettings = {
  maxPayload: 16 * MIB,
  idleTimeout: 120_000,
  sendPings: true,
  messageTimeout: 60_000,
  closeTimeout: 30_000,
  maxUnsent: 16 * MIB,
  whenFull: DROP,
  compression: UNCOMPRESSED,
  level: 1,
  threshold: 64,
  tellPings: false,
};

/** Settings that differ from the defaults in these. */
export function settingsWith(given: Partial<ResolvedSettings> = {}): ResolvedSettings {
  return Object.freeze({ ...DEFAULTS, ...given });
}
