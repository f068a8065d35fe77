/** The command line `deepend`. */
import { Command, CommanderError } from 'commander';
import { version } from '../../package.json';
import { addDashboard } from './dashboard';
import { addData } from './data';
import { addExport } from './export';
import { addInspection } from './inspection';
import { addReport } from './report';
import { addRuns } from './runs';
import { addTraining } from './training';

/** Every command's: figures for machines, and the whole of an error. */
export interface CommonFlags {
  json?: boolean;
  verbose?: boolean;
}

/**
 * Runs the command line. What goes wrong is one line on the standard error and exit code 1; with
 * `--verbose` the stack follows. An interrupted
 * training exits with 130.
 * @param argv as in `process.argv`
 */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('deepend')
    .description('A deep-learning training toolkit on TensorFlow.js')
    .version(version);
  program.option('--verbose', 'the stack of an error, too');
  // Ends like every other error, not in the middle of the process; the message is printed below.
  program.exitOverride().configureOutput({ outputError: () => {} });
  for (const add of [
    addTraining,
    addRuns,
    addReport,
    addExport,
    addDashboard,
    addInspection,
    addData,
  ])
    add(program);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (
      error instanceof CommanderError &&
      (error.exitCode === 0 || error.code === 'commander.help')
    ) {
      process.exitCode = error.exitCode; // the text was asked for, or stands for an error when no command was named
      return;
    }
    const { message, stack } = error as Error;
    console.error(`deepend: ${message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}`);
    if (argv.includes('--verbose')) console.error(stack);
    process.exitCode = 1;
  }
}
