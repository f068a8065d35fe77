/** Starts and stops a dashboard. */
import { randomBytes } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { Machine } from './machine';
import { makeServer } from './server';
import { Watcher } from './watcher';

const WHERE = '[deepend] startDashboard';
const HOST = '127.0.0.1';
const FIRST_PORT = 6060;
const LAST_PORT = 6079;

export interface DashboardOptions {
  /** 0 takes any free port. @default 6060, or the next free one up to 6079 */
  port?: number;
  /**
   * The secret in the page's address, for an address that stays the same: at least 16 letters,
   * digits, hyphens and underscores. @default a random one
   */
  token?: string;
}

export interface Dashboard {
  /** Such as `http://127.0.0.1:6060/?token=...`. Who has it can see the runs. */
  readonly url: string;
  /** Stops it. No timer, socket or process is left. */
  close(): Promise<void>;
}

const rules = rule.object({
  port: rule.integer({ min: 0, max: 65_535 }).optional(),
  token: rule
    .custom<string>(
      (value) => typeof value === 'string' && /^[\w-]{16,}$/.test(value),
      'at least 16 letters, digits, hyphens and underscores',
    )
    .optional(),
});

/**
 * Serves a page that shows the runs below `dir` while they train: metrics, curves, settings and
 * pictures of the chosen runs, and the machine's load. It listens on 127.0.0.1 only, reads nothing
 * outside `dir`, answers only requests that know its token, and does nothing while no page is open.
 * @param dir folder that holds the folders of runs, or the folder of one run
 * @throws TypeError or RangeError for options out of range; Error when there is no such folder, or
 *   the port is taken
 * @example
 * const dashboard = await startDashboard('runs');
 * console.log(dashboard.url);
 * await dashboard.close();
 */
export async function startDashboard(
  dir: string,
  options: DashboardOptions = {},
): Promise<Dashboard> {
  const { port, token = randomBytes(24).toString('hex') } = checkOptions(WHERE, rules, options);
  const root = await resolveFolder(dir);
  const watcher = new Watcher(root);
  const machine = new Machine();
  const listeners = new Set<ServerResponse>();
  const server = makeServer({ root, folder: dir, token, watcher, machine, listeners });
  await listen(server, port);
  const { port: own } = server.address() as AddressInfo;
  const close = async () => {
    watcher.close();
    machine.close();
    for (const response of listeners) response.destroy();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://${HOST}:${own}/?token=${token}`, close };
}

async function resolveFolder(dir: string): Promise<string> {
  if (typeof dir !== 'string' || dir === '')
    throw new TypeError(`${WHERE}: expected the name of a folder, got ${formatValue(dir)}`);
  const isFolder = await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return realpath(dir);
  throw new Error(
    `${WHERE}: ${dir}: expected a folder of runs, there is none; name another, ` +
      `or train with --out ${dir}/NAME`,
  );
}

/** @throws Error when the port, or each port in the range, is taken */
async function listen(server: Server, port: number | undefined): Promise<void> {
  const tried =
    port === undefined
      ? Array.from({ length: LAST_PORT - FIRST_PORT + 1 }, (_, i) => FIRST_PORT + i)
      : [port];
  for (const one of tried) {
    try {
      return await listenOn(server, one);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE')
        throw new Error(`${WHERE}: cannot listen on ${HOST}:${one}: ${message}`, { cause });
    }
  }
  const next =
    port === undefined ? 'name one that is free' : 'name another, or none to have one found';
  throw new Error(`${WHERE}: port ${port ?? `${FIRST_PORT} to ${LAST_PORT}`} is taken; ${next}`);
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => {
      server.off('error', done).off('listening', done);
      if (error) reject(error);
      else resolve();
    };
    server.once('error', done).once('listening', done);
    server.listen({ host: HOST, port, exclusive: true });
  });
}
