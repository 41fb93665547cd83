import { ReactorError } from '../errors/errors.js';

/** The facts that decide which native binding fits. */
export interface Platform {
  /** As `process.platform`. */
  readonly os: string;
  /** As `process.arch`. */
  readonly cpu: string;
  /** The C library. It is asked for on Linux only, since the answer takes milliseconds. */
  readonly libc: () => 'gnu' | 'musl';
}

/** Targets that have a package in `npm/`. */
const TARGETS: readonly string[] = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
];

const SUPPORTED = 'reactor-rs runs on Linux, x64 and arm64, with glibc 2.17 or newer or musl';

/** The platform of this process. */
export const here: Platform = { os: process.platform, cpu: process.arch, libc };

/** Whether there can be a binding. The C library is not considered. */
export function isSupported({ os, cpu }: Platform): boolean {
  return os === 'linux' && (cpu === 'x64' || cpu === 'arm64');
}

/** One line: what is supported, and what this platform is. */
export function unsupported({ os, cpu }: Platform): string {
  return `${SUPPORTED}; this is ${os} ${cpu}, where it can be imported but not serve`;
}

/**
 * The name of the platform's binding, such as `linux-x64-gnu`.
 * @throws {ReactorError} `ERR_REACTOR_PLATFORM` if there is none.
 */
export function targetOf(platform: Platform): string {
  if (isSupported(platform)) {
    const target = `${platform.os}-${platform.cpu}-${platform.libc()}`;
    if (TARGETS.includes(target)) {
      return target;
    }
  }
  throw new ReactorError('ERR_REACTOR_PLATFORM', unsupported(platform));
}

/** The C library that this Node reports. */
function libc(): 'gnu' | 'musl' {
  // The report would resolve the peers of open sockets, which may wait for a DNS server. Node 20
  // has no such setting and ignores it.
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const { excludeNetwork = false } = report;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}
