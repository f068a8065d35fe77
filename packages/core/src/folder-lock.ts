/** A lock on the folder of a run or a search, so that two processes never write the same one. */
import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';

const LOCK_FILE = '.deepend.lock';
const REFRESH_MS = 15_000;
/** A lock of another machine counts as abandoned when it was not refreshed for this long. */
const ABANDONED_MS = 120_000;
const TRIES = 5;

/** The folders that this process has locked, as real paths. */
const locked = new Set<string>();

/**
 * Locks a folder until the returned function is called. The lock names its process: a lock whose
 * process has ended, as after a crash, is taken over at once.
 * @param dir a folder that exists
 * @throws Error when another run is writing into the folder
 */
export async function lockFolder(where: string, dir: string): Promise<() => Promise<void>> {
  const folder = await realpath(dir);
  const file = path.join(folder, LOCK_FILE);
  if (locked.has(folder))
    throw new Error(`${where}: ${dir}: this process already trains into it; name another folder`);
  locked.add(folder);
  try {
    await createLock(where, { dir, file });
  } catch (error) {
    locked.delete(folder);
    throw error;
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {}); // the folder was deleted
  }, REFRESH_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    locked.delete(folder);
    await rm(file, { force: true });
  };
}

async function createLock(where: string, { dir, file }: { dir: string; file: string }) {
  const content = JSON.stringify({ pid: process.pid, started: startTime(process.pid), ...place() });
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      return await writeFile(file, content, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await findHolder(file);
    if (holder)
      throw new Error(
        `${where}: ${dir}: ${holder} is training into this folder; wait until it has ended, or ` +
          `name another folder (if it no longer runs, delete ${path.join(dir, LOCK_FILE)})`,
      );
    await rm(file, { force: true });
  }
  throw new Error(`${where}: ${dir}: other processes keep locking it; name another folder`);
}

/** Who holds the lock, for a message; undefined when its process has ended. */
async function findHolder(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found) return undefined;
  const isFresh = Date.now() - found.mtimeMs < ABANDONED_MS;
  const lock = parseLock(await readFile(file, 'utf8').catch(() => ''));
  const pid = lock?.pid ?? null;
  // Its process may be about to write the content.
  if (!lock || pid === null) return isFresh ? 'another process' : undefined;
  const { host, processes } = place();
  if (lock.host !== host || lock.processes !== processes)
    return isFresh ? `process ${pid} on ${lock.host}` : undefined;
  // After a crash, another program may have the same process id: in a container, often this one.
  if (pid === process.pid || !isAlive(pid) || lock.started !== startTime(pid)) return undefined;
  return `process ${pid}`;
}

interface Lock {
  readonly pid: number | null;
  readonly host: unknown;
  readonly processes: unknown;
  readonly started: unknown;
}

/** undefined for a file that is not complete, or another one. */
function parseLock(text: string): Lock | undefined {
  try {
    const { pid, host, processes, started } = JSON.parse(text) ?? {};
    return { pid: Number.isFinite(pid) ? pid : null, host, processes, started };
  } catch {
    return undefined;
  }
}

/** The machine, and on Linux the set of process ids, which differs between containers. */
function place(): { host: string; processes: string | null } {
  try {
    return { host: hostname(), processes: readlinkSync('/proc/self/ns/pid') };
  } catch {
    return { host: hostname(), processes: null };
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // another user's process
  }
}

/**
 * When a process started, in clock ticks since the machine did; null where Linux's /proc is not.
 */
function startTime(pid: number): string | null {
  try {
    // The second field is the program's name in parentheses, which may contain spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ');
    return fields?.[19] ?? null;
  } catch {
    return null;
  }
}
