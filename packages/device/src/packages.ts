/** Finds optional packages, and tries native ones in a child process. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** The URL of this package: CommonJS knows its file's name, ES modules know their URL. */
export const HERE =
  typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;

/**
 * Resolves the main file of an optional package: first from the working directory, then from this
 * package.
 */
export function resolvePackage(name: string): string | undefined {
  for (const from of [path.join(process.cwd(), 'index.js'), HERE]) {
    try {
      return createRequire(from).resolve(name);
    } catch {}
  }
  return undefined;
}

const MARK = 'deepend-probe:';

/** JavaScript that a probe's script ends with, to report `answer` to this process. */
export const reportAnswer = (answer: string): string =>
  `console.log('${MARK}' + JSON.stringify(${answer}));`;

export interface ChildOptions {
  /** Arguments of Node: flags, `-e`, the script, and what the script reads in `process.argv`. */
  readonly args: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly env?: NodeJS.ProcessEnv;
}

export type ChildOutcome<Answer> =
  | { readonly answer: Answer; readonly stderr: string }
  /** Why there is no answer, such as `ended by SIGABRT`. */
  | { readonly fault: string };

/** Runs a script in a child process, since a native library can abort its process. */
export async function probeInChild<Answer>({
  args,
  timeout,
  env = process.env,
}: ChildOptions): Promise<ChildOutcome<Answer>> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...args], {
      timeout,
      env,
    });
    const line = stdout.split('\n').find((text) => text.startsWith(MARK));
    if (!line) return { fault: 'ended without an answer' };
    return { answer: JSON.parse(line.slice(MARK.length)) as Answer, stderr };
  } catch (error) {
    const { signal, stderr = '', message } = error as Error & { signal?: string; stderr?: string };
    if (signal) return { fault: `ended by ${signal}` };
    const lines = stderr.split('\n');
    const reason =
      lines.find((line) => /^\w*Error: /.test(line)) ??
      lines.find((line) => /Error:|cannot|no such|not found/i.test(line)) ??
      message.split('\n')[0];
    return { fault: (reason ?? 'failed').trim() };
  }
}
