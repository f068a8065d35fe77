/** `deepend dashboard`: a page that shows runs as they train. */
import { spawn } from 'node:child_process';
import { type Command, InvalidArgumentError } from 'commander';
import { startDashboard } from '../dashboard/start';

interface DashboardFlags {
  port?: number;
  open?: boolean;
  json?: boolean;
}

export function addDashboard(program: Command): void {
  program
    .command('dashboard')
    .description('a page on this machine that shows runs as they train, and compares them')
    .argument('[folder]', "of runs' directories, or one of them", 'runs')
    .option(
      '--port <number>',
      '0 is any that is free; 6060, or the next free one, unless given',
      portNumber,
    )
    .option('--open', 'shows the page in the browser')
    .option('--json', 'the address for machines')
    .action(async (folder: string, { port, open = false, json = false }: DashboardFlags) => {
      const dashboard = await startDashboard(folder, port === undefined ? {} : { port });
      const { url } = dashboard;
      console.log(
        json
          ? JSON.stringify({ url, folder })
          : `the runs in ${folder} are shown at ${url}; Ctrl-C ends this`,
      );
      if (open) show(url);
      await asked();
      await dashboard.close();
    });
}

/**
 * Until someone ends it, which is how it is meant to end: the exit code stays 0. A second Ctrl-C
 * does not wait.
 */
function asked(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      process.off('SIGINT', end).off('SIGTERM', end);
      resolve();
    };
    process.on('SIGINT', end).on('SIGTERM', end);
  });
}

/** What opens an address, by operating system. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

function show(url: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => console.error(`no browser could be opened (${command}); open ${url}`));
  child.unref();
}

function portNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError('expected an integer from 0 to 65535');
}
