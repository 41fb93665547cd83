import {
  binding,
  type NativeBound,
  type NativeOptions,
  type NativeServer,
} from '../binding/binding.js';
import { ClusterDoors, errorOfWorker, isClusterWorker, tellPrimary } from '../cluster/doors.js';
import type { ResolvedOptions } from '../options/options.js';
import { type NamesByTls, namesOf } from './certificates.js';
import { besideControl, newControlPath, replaceControl, warnOfControl } from './control.js';
import { dashboardPage } from './dashboard.js';
import { hasInherited, note, withInherited } from './inherited.js';
import { tellMetrics } from './program-metrics.js';

/** The running engine, and the path of its control socket. */
interface Started {
  readonly native: NativeServer;
  readonly control: string | undefined;
  /** What is asked for names, by the settings of TLS that ask. */
  readonly names: NamesByTls;
}

/** Another server may take a free name first. This is how many names are tried. */
const MOST_NAMES = 10;

/**
 * Starts the engine with these lanes.
 * @param bound the listening socket, if it is bound already
 */
export async function startNative(
  options: ResolvedOptions,
  lanes: number[],
  bound?: NativeBound,
): Promise<Started> {
  const names = namesOf(options.tls);
  const listen = options.native.listen.map((endpoint, index) => {
    const asked = names.get(options.tls[index] ?? null);
    return endpoint.tls === undefined || asked === undefined
      ? endpoint
      : { ...endpoint, tls: { ...endpoint.tls, names: asked.id } };
  });
  let doors: ClusterDoors | null = null;
  try {
    const dashboard = options.native.metrics === undefined ? undefined : await dashboardPage();
    let native: NativeOptions = {
      ...options.native,
      listen,
      ...(dashboard === undefined ? {} : { dashboard }),
    };
    if (isClusterWorker() && bound === undefined && !options.exclusive) {
      [doors, native] = await ClusterDoors.open(native);
    }
    const given = bound === undefined ? withInherited(native) : native;
    const started = await startControlled(given, options.control, lanes, bound);
    doors?.start(started.native);
    if (doors !== null) {
      tellPrimary(native, started.native);
    }
    if (options.registry !== undefined) {
      tellMetrics(started.native, options.registry);
    }
    note(started.native, native);
    return { ...started, names };
  } catch (error) {
    doors?.close();
    for (const each of names.values()) {
      each.close();
    }
    throw errorOfWorker(error);
  }
}

async function startControlled(
  options: NativeOptions,
  given: boolean | string,
  lanes: number[],
  bound: NativeBound | undefined,
): Promise<Omit<Started, 'names'>> {
  const start = async (control: string | undefined): Promise<Omit<Started, 'names'>> => {
    const native = { ...options, ...(control === undefined ? {} : { control }) };
    return { native: await (bound ?? binding()).start(native, lanes), control };
  };
  if (typeof given === 'string' && hasInherited()) {
    const beside = besideControl(given);
    const started = await start(beside);
    replaceControl(beside, given);
    return { ...started, control: given };
  }
  if (given !== true) {
    return start(given || undefined);
  }
  // The user did not choose this path. Without it the server starts too.
  for (let names = 1; ; names++) {
    const control = await newControlPath().catch(({ message }) => {
      warnOfControl(message);
      return undefined;
    });
    try {
      return await start(control);
    } catch (error) {
      const { option, code, message } = error as Error & { option?: string; code?: string };
      if (control === undefined || option !== 'control') {
        throw error;
      }
      if (code !== 'ERR_REACTOR_ADDRESS_IN_USE' || names === MOST_NAMES) {
        warnOfControl(message);
        return start(undefined);
      }
    }
  }
}
