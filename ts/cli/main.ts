import { Command, CommanderError } from 'commander';
import { VERSION } from '../binding/version.js';
import { ReactorError } from '../errors/errors.js';
import { findModule, loadModule } from '../threads/module.js';
import type { ThreadCount } from '../types/options.js';
import { addBench } from './bench.js';
import { hear } from './early.js';
import { addFilesFlags, routesOf, targetOf, withFlagName } from './files-flags.js';
import { addFlags, labelOf, readFlags } from './flags.js';
import { addGenerationFlags, readGenerationFlags } from './generation-flags.js';
import { goOn } from './generations.js';
import { type MonitorFlags, monitorCommand } from './monitor/command.js';
import { fail } from './output.js';
import { developmentCertificate } from './self-signed.js';
import { type ServeFlags, serveCommand, serveModuleCommand } from './serve.js';
import { handlersFlag } from './systemd.js';
import { isSelfSigned } from './tls-flags.js';
import { MAIN_EXAMPLES, MONITOR_EXAMPLES, SERVE_EXAMPLES } from './usage.js';
import { addWatchFlags, checkWatch, type WatchFlags } from './watch-flags.js';

/** The exit code for a wrong command line. */
const USAGE_ERROR = 2;

/** Runs the command line; resolves to the exit code. `argv` is without node and script. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = buildProgram((run) => {
    exitCode = run;
  });
  if (argv.length === 0) {
    process.stderr.write(program.helpInformation() + MAIN_EXAMPLES);
    return USAGE_ERROR;
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : fail(USAGE_ERROR, oneLine(error.message));
    }
    if (error instanceof ReactorError) {
      return fail(isUsage(error) ? USAGE_ERROR : 1, error.message);
    }
    throw error;
  }
}

function buildProgram(done: (exitCode: number) => void): Command {
  const program = new Command('reactor-rs')
    .description('An HTTP server with a Rust engine, and a client to load one.')
    .version(VERSION, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    // main() prints errors, on one line.
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', MAIN_EXAMPLES.trimEnd());

  const serve = program
    .command('serve')
    .description('serve HTTP until a signal comes')
    .argument(
      '[folder or module]',
      'a folder of files, or a JavaScript or TypeScript module that exports a handler; by default the built-in application',
    )
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', SERVE_EXAMPLES.trimEnd());
  addFlags(serve);
  addFilesFlags(serve);
  addWatchFlags(serve);
  addGenerationFlags(serve);
  serve
    .option('-q, --quiet', 'print no banner and no summary')
    .option('--json', 'print one line of JSON on stdout once it listens')
    .addOption(handlersFlag())
    .action(async (argument: string | undefined, given: Record<string, unknown>) => {
      const { folder, module, flags } = targetOf(argument, given);
      // Mistakes are reported first, because loading the module may have effects.
      const { jsThreads } = readFlags(flags, process.env, undefined);
      if (jsThreads !== undefined && module === undefined) {
        throw new ReactorError(
          'ERR_REACTOR_INVALID_OPTION',
          `${labelOf('jsThreads', flags, process.env)} needs a module, whose handlers the threads run`,
        );
      }
      checkWatch(flags, folder ?? module);
      const successors = readGenerationFlags(flags, process.env);
      hear();
      goOn();
      const settle = (base: Readonly<Record<string, unknown>>) =>
        readFlags(flags, process.env, base);
      const run = async (): Promise<number> => {
        const selfSigned = isSelfSigned(flags, process.env)
          ? developmentCertificate().certFile
          : undefined;
        const shown: ServeFlags = {
          ...flags,
          ...successors,
          selfSigned,
          servesFolder: folder !== undefined,
        };
        if (folder !== undefined) {
          const routes = routesOf(folder, flags, process.env);
          return serveCommand({ ...settle({}), routes }, shown);
        }
        if (module === undefined) {
          return serveCommand(settle({}), shown);
        }
        if (flags.watch) {
          const paths = (flags as WatchFlags).watchPath ?? [];
          const threads = jsThreads as ThreadCount | undefined;
          const watched = { module, jsThreads: threads, paths, settle };
          return (await import('./watch.js')).watchCommand(watched, shown);
        }
        if (jsThreads !== undefined) {
          return serveModuleCommand(module, jsThreads as ThreadCount, settle, shown);
        }
        const base = await loadModule(await findModule(module));
        if (base.jsThreads === undefined) {
          return serveCommand(settle(base), shown);
        }
        return serveModuleCommand(module, base.jsThreads as ThreadCount, settle, shown);
      };
      done(
        await run().catch((error: unknown) => {
          const named = folder === undefined ? error : withFlagName(error, flags);
          throw withHostSource(named, labelOf('hostname', flags, process.env));
        }),
      );
    });
  program
    .command('monitor')
    .description('watch a running server')
    .argument('[server]', 'its process id, its port, or the path of its control socket')
    .helpOption('-h, --help', 'print this help')
    .option('-n, --interval <seconds>', 'time between samples (0.1 to 3600)', '1')
    .option('--json', 'print one line of JSON for each sample')
    .option('--once', 'print one sample and exit')
    .option('--web [[host:]port]', 'show it in a browser (default 9180, to this machine only)')
    .addHelpText('after', MONITOR_EXAMPLES.trimEnd())
    .action(async (server: string | undefined, flags: MonitorFlags) => {
      done(await monitorCommand(server, flags));
    });
  addBench(program, done);
  return program;
}

/**
 * An error about the address, with the variable that set it: shells and conda export HOST for other
 * purposes.
 */
function withHostSource(error: unknown, label: string | undefined): unknown {
  const isAboutHost =
    error instanceof ReactorError &&
    (error.code === 'ERR_REACTOR_HOST_NOT_FOUND' ||
      error.code === 'ERR_REACTOR_ADDRESS_NOT_AVAILABLE');
  if (!isAboutHost || label !== 'HOST') {
    return error;
  }
  return new ReactorError(
    error.code,
    `${error.message}; this address is from the environment variable HOST, which -H/--host wins over`,
    { cause: error },
  );
}

/** Whether the user typed something wrong, as opposed to an error of the system. */
function isUsage(error: ReactorError): boolean {
  return (
    error.code === 'ERR_REACTOR_INVALID_OPTION' ||
    error.code === 'ERR_REACTOR_UNKNOWN_OPTION' ||
    error.code === 'ERR_REACTOR_INVALID_ROUTE'
  );
}

/** Commander's message without its prefix, on one line. Commander puts suggestions on a second. */
function oneLine(message: string): string {
  return message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
}
