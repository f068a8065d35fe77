/**
 * Tries a native addon in a child process before this process loads it: an addon for another
 * processor or C library would end the process that loads it. The outcome is remembered in the
 * cache folder, so that only the first start pays for it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cacheFolder } from '@deepend/core';

const SCRIPT = 'process.exit(require(process.argv[1]).check() ? 0 : 3)';
const WRONG = 3;
const TIMEOUT = 30_000; // milliseconds

/** Outcomes by addon: an empty string where it works, or what is wrong. */
type Outcomes = Record<string, string>;

const outcomesFile = () => cacheFolder('native.json');

function readOutcomes(): Outcomes {
  try {
    const outcomes: unknown = JSON.parse(readFileSync(outcomesFile(), 'utf8'));
    return outcomes && typeof outcomes === 'object' ? (outcomes as Outcomes) : {};
  } catch {
    return {}; // none yet, or damaged: the addon is tried again
  }
}

function remember(key: string, outcome: string): void {
  const file = outcomesFile();
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, JSON.stringify({ [key]: outcome }));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // A home that cannot be written to: the next process tries the addon again.
  }
}

/** Changes with the addon, the processor and Node. */
function describe(file: string): string {
  const { size, mtimeMs } = statSync(file);
  const processor = os.cpus()[0]?.model ?? '';
  return [file, size, mtimeMs, process.version, processor, os.release()].join(' | ');
}

/** @returns what is wrong with the addon here, or undefined if it works */
export function findFault(file: string): string | undefined {
  const key = describe(file);
  let outcome = readOutcomes()[key];
  if (typeof outcome !== 'string') {
    outcome = tryAddon(file);
    remember(key, outcome);
  }
  return outcome || undefined;
}

function tryAddon(file: string): string {
  const { NODE_OPTIONS: _, ...env } = process.env; // may load whole programs
  const { status, signal, error, stderr } = spawnSync(process.execPath, ['-e', SCRIPT, file], {
    env,
    timeout: TIMEOUT,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status === 0) return '';
  if (status === WRONG) return 'the native build computes wrong numbers';
  if (signal) return `the native build ends the process (${signal})`;
  const line = stderr?.split('\n').find((text) => /Error: /.test(text));
  return `the native build does not load (${error?.message ?? line?.trim() ?? `exit ${status}`})`;
}
