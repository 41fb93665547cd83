import { ReactorError } from '../errors/errors.js';

/** What decides which native binding fits. */
export interface Platform {
  /** As `process.platform`. */
  readonly os: string;
  /** As `process.arch`. */
  readonly cpu: string;
  /** The C library; asked for on Linux only, because the answer takes milliseconds. */
  readonly libc: () => 'gnu' | 'musl';
}

/** Those with a package of their own in `npm/`. */
const TARGETS: readonly string[] = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
];

const SUPPORTED = 'reactor-rs runs on Linux, x64 and arm64, with glibc 2.17 or newer or musl';

/** The platform of this process. */
export const here: Platform = { os: process.platform, cpu: process.arch, libc };

/** Whether there can be a binding; does not look at the C library. */
export function isSupported({ os, cpu }: Platform): boolean {
  return os === 'linux' && (cpu === 'x64' || cpu === 'arm64');
}

/** What is supported, and that this is not, in one line. */
export function unsupported({ os, cpu }: Platform): string {
  return `${SUPPORTED}; this is ${os} ${cpu}, where it can be imported but not serve`;
}

/**
 * The name of the platform's binding, such as `linux-x64-gnu`.
 * @throws {ReactorError} `ERR_REACTOR_PLATFORM` where there is none.
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

/** Which C library this Node runs on, by its own word. */
function libc(): 'gnu' | 'musl' {
  // Naming the peers of open sockets may wait for a DNS server. Node 20 knows no
  // such setting, and then ignores it.
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
