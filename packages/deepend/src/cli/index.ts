/** The command line `deepend`. Its own entry: importing the library does not load it. */
import { Command, CommanderError } from 'commander';
import { version } from '../../package.json';

interface CommandEntry {
  readonly name: string;
  readonly alias?: string;
  readonly about: string;
  /** Adds arguments, options and the action. */
  readonly load: () => Promise<(command: Command) => void>;
}

/** Only the modules of the commands that are named on the command line are loaded. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'train',
    about: 'train a model and save the run in a folder',
    load: async () => (await import('./train')).addTrain,
  },
  {
    name: 'resume',
    about: 'resume a run from its newest valid checkpoint, or from the start if it has none',
    load: async () => (await import('./train')).addResume,
  },
  {
    name: 'evaluate',
    about: 'show loss and accuracy of a run on its test set, and its most frequent mistakes',
    load: async () => (await import('./evaluate')).addEvaluate,
  },
  {
    name: 'predict',
    about: 'classify image files with the model of a run',
    load: async () => (await import('./predict')).addPredict,
  },
  {
    name: 'generate',
    about: 'continue a prompt with the language model of a run',
    load: async () => (await import('./generate')).addGenerate,
  },
  {
    name: 'plot',
    about: 'compare runs: draw their curves in one figure',
    load: async () => (await import('./plot')).addPlot,
  },
  {
    name: 'report',
    about: 'write a run as one HTML page with results, curves, mistakes, model and settings',
    load: async () => (await import('./report')).addReport,
  },
  {
    name: 'export',
    about: "write a run's model, history or predictions for other programs",
    load: async () => (await import('./export')).addExport,
  },
  {
    name: 'dashboard',
    about: 'serve a local page that shows and compares runs while they train',
    load: async () => (await import('./dashboard')).addDashboard,
  },
  {
    name: 'devices',
    alias: 'device',
    about: 'show which devices can compute here, and why others cannot',
    load: async () => (await import('./inspect')).addDevices,
  },
  {
    name: 'models',
    about: 'list the models',
    load: async () => (await import('./inspect')).addModels,
  },
  {
    name: 'summary',
    about: "show a model's output shapes, parameters, multiply-accumulates and activations",
    load: async () => (await import('./inspect')).addSummary,
  },
  {
    name: 'data',
    about: 'list, download and verify datasets',
    load: async () => (await import('./data')).addData,
  },
];

/**
 * Runs the command line. An error is printed as one line on stderr and sets exit code 1; with
 * `--verbose` the stack follows. An interrupted training exits with 130.
 * @param argv as in `process.argv`
 */
export async function main(argv: readonly string[]): Promise<void> {
  ignoreClosedPipes();
  const program = new Command('deepend')
    .description('A deep-learning training toolkit on TensorFlow.js')
    .version(version)
    .option('--verbose', 'print the stack of an error');
  // Errors are thrown instead of ending the process, and are printed below.
  program.exitOverride().configureOutput({ outputError: () => {} });
  try {
    for (const { name, alias, about, load } of COMMANDS) {
      const command = program.command(name).description(about);
      if (alias) command.alias(alias);
      if (argv.some((word) => word === name || word === alias)) (await load())(command);
    }
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error, argv.includes('--verbose'));
  }
}

let ignoresClosedPipes = false;

/**
 * When the reader of the output ends, as in `deepend train --json ... | head -1`, the command
 * continues and the rest of its output is dropped.
 */
function ignoreClosedPipes(): void {
  if (ignoresClosedPipes) return;
  ignoresClosedPipes = true;
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
}

/** Prints an error. @returns the exit code */
function report(error: unknown, verbose: boolean): number {
  // Help and version were requested, or the help was printed because no command was named.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
    return error.exitCode;
  const { message, stack } = error as Error;
  console.error(`deepend: ${message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}`);
  if (verbose) console.error(stack);
  return 1;
}
