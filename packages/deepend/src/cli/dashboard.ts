/** `deepend dashboard`. */
import { spawn } from 'node:child_process';
import { type Command, InvalidArgumentError } from 'commander';
import { startDashboard } from '../dashboard/start';

interface DashboardFlags {
  port?: number;
  open?: boolean;
  json?: boolean;
}

export function addDashboard(command: Command): void {
  command
    .argument('[folder]', 'folder that holds the folders of runs, or the folder of one run', 'runs')
    .option(
      '--port <number>',
      'port, or 0 for any free one (default: 6060, or the next free one)',
      toPort,
    )
    .option('--open', 'open the page in the browser')
    .option('--json', 'print the address as JSON')
    .action(async (folder: string, { port, open = false, json = false }: DashboardFlags) => {
      const dashboard = await startDashboard(folder, port === undefined ? {} : { port });
      const { url } = dashboard;
      console.log(
        json
          ? JSON.stringify({ url, folder })
          : `showing the runs in ${folder}; press Ctrl-C to stop\n${url}`,
      );
      if (open) openBrowser(url);
      await untilSignal();
      await dashboard.close();
    });
}

/**
 * Waits for Ctrl-C or SIGTERM. That is the normal end, so the exit code stays 0. A second Ctrl-C
 * ends the process at once.
 */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      process.off('SIGINT', end).off('SIGTERM', end);
      resolve();
    };
    process.on('SIGINT', end).on('SIGTERM', end);
  });
}

/** The command that opens an address, by operating system. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

function openBrowser(url: string): void {
  const [command, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () =>
    console.error(`cannot open a browser (${command} failed); open ${url} yourself`),
  );
  child.unref();
}

function toPort(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError('expected an integer from 0 to 65535');
}
