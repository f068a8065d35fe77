/**
 * Fetches one file from the first mirror that has it, into `NAME.part` first: what is not whole and
 * right never gets the file's name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { folderError } from './cache';
import { reason } from './errors';
import type { Reporter } from './progress';
import type { Packing } from './specs';

/** What is to be fetched. */
export interface Wanted {
  /** Its name on the mirror and on disk, which says its kind: `.gz` or `.zip`. */
  readonly name: string;
  /** What it may be; the first is what mirrors usually serve. */
  readonly packings: readonly Packing[];
}

export interface DownloadOptions {
  /** Addresses to which the file's name is added, in the order in which to try them. */
  mirrors: readonly string[];
  /** Milliseconds of silence after which a mirror is given up. */
  timeout: number;
  report: Reporter;
}

/** Why one mirror did not do. `spoiled`: what lies in the part by now is not to be built upon. */
class MirrorFailure extends Error {
  readonly spoiled: boolean;
  constructor(
    message: string,
    { spoiled = false, ...options }: ErrorOptions & { spoiled?: boolean } = {},
  ) {
    super(message, options);
    this.spoiled = spoiled;
  }
}

interface Job {
  url: string;
  part: string;
  file: Wanted;
  timeout: number;
  report: Reporter;
}

/**
 * Fetches `file` into `folder`.
 * @returns why each mirror failed; empty when the file is there
 * @throws DataError when the folder cannot be written to
 */
export async function download(
  file: Wanted,
  folder: string,
  options: DownloadOptions,
): Promise<string[]> {
  const { mirrors, timeout, report } = options;
  const part = join(folder, `${file.name}.part`);
  const failures: string[] = [];
  for (const mirror of mirrors) {
    const url = `${mirror.replace(/\/?$/, '/')}${file.name}`;
    const failure = await tryMirror({ url, part, file, timeout, report });
    if (failure === undefined) {
      await rename(part, join(folder, `${file.name}`));
      return [];
    }
    failures.push(`${url}: ${failure}`);
    report.say(`${url}: ${failure}`);
  }
  return failures;
}

/**
 * Goes on with what an earlier try left, and begins anew where that leads nowhere. Returns the last
 * failure, if any.
 */
async function tryMirror(job: Job): Promise<string | undefined> {
  for (;;) {
    const start = await sizeOf(job.part);
    try {
      if (!job.file.packings.some(({ bytes }) => bytes === start)) await fetchInto(job, start);
      await checkPart(job);
      return undefined;
    } catch (error) {
      if (!(error instanceof MirrorFailure)) throw error;
      if (error.spoiled) await rm(job.part, { force: true });
      if (!error.spoiled || start === 0) return error.message;
    }
  }
}

/** Adds the answer of one request to the part. */
async function fetchInto({ url, part, file, timeout, report }: Job, start: number): Promise<void> {
  const silence = new AbortController();
  const wake = () => silence.abort(new Error(`no answer for ${timeout / 1000} s`));
  const timer = setTimeout(wake, timeout);
  try {
    const headers = {
      'accept-encoding': 'identity',
      ...(start > 0 && { range: `bytes=${start}-` }),
    };
    const response = await fetch(url, { headers, signal: silence.signal });
    const from = acceptedStart(response, start);
    if (!response.body) throw new MirrorFailure('an empty answer');
    await writePart(response.body, { part, file, report, from, alive: () => timer.refresh() });
  } catch (error) {
    if (error instanceof MirrorFailure || !(error instanceof Error) || error.name === 'DataError')
      throw error;
    throw new MirrorFailure(
      silence.signal.aborted ? reason(silence.signal.reason) : reason(error),
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    silence.abort(); // lets go of an answer that was not read to its end
  }
}

/**
 * Where in the file the answer's body begins. @throws MirrorFailure for an answer that is not the
 * file
 */
function acceptedStart(response: Response, asked: number): number {
  if (response.status === 416)
    throw new MirrorFailure('no such range (HTTP 416)', { spoiled: true });
  if (!response.ok)
    throw new MirrorFailure(`HTTP ${response.status} ${response.statusText}`.trim());
  const type = response.headers.get('content-type') ?? '';
  if (/\bhtml\b/i.test(type)) throw new MirrorFailure(`a web page (${type}) instead of the file`);
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity')
    throw new MirrorFailure(`the file in another encoding (${encoding})`);
  if (response.status !== 206) return 0; // the server knows no ranges and sends the whole
  const range = response.headers.get('content-range') ?? '';
  if (asked === 0 || !range.startsWith(`bytes ${asked}-`)) {
    throw new MirrorFailure(`another range than asked for (${range || 'none'})`, { spoiled: true });
  }
  return asked;
}

interface Writing {
  part: string;
  file: Wanted;
  report: Reporter;
  from: number;
  alive: () => void;
}

async function writePart(
  body: AsyncIterable<Uint8Array>,
  { part, file, report, from, alive }: Writing,
): Promise<void> {
  const longest = Math.max(...file.packings.map(({ bytes }) => bytes));
  const handle = await onDisk(part, () => open(part, from > 0 ? 'a' : 'w'));
  const meter = report.meter(`downloading ${file.name}`, file.packings[0]?.bytes ?? longest);
  let size = from;
  try {
    for await (const chunk of body) {
      alive();
      if (size === 0 && !begins(chunk, file))
        throw new MirrorFailure(`something that is not a ${kind(file)} file`, { spoiled: true });
      size += chunk.length;
      if (size > longest)
        throw new MirrorFailure(`more than the ${longest} bytes of the file`, { spoiled: true });
      await onDisk(part, () => handle.writeFile(chunk));
      meter.at(size);
    }
    await onDisk(part, () => flush(handle));
  } finally {
    meter.stop();
    await handle.close();
  }
}

const kind = ({ name }: Wanted) => (name.endsWith('.zip') ? 'zip' : 'gzip');
const MAGIC = { gzip: [0x1f, 0x8b], zip: [0x50, 0x4b] };
const begins = (chunk: Uint8Array, file: Wanted) =>
  MAGIC[kind(file)].every((byte, i) => i >= chunk.length || chunk[i] === byte);

/**
 * Before the rename the bytes must be on the disk, lest a power cut leave a whole name on half a
 * file.
 */
async function flush(handle: FileHandle): Promise<void> {
  await handle.sync();
}

/**
 * A fault of the disk ends the download, since no mirror can mend it; a part that fills the disk
 * goes.
 */
async function onDisk<T>(part: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw folderError(part, error);
  }
}

/** @throws MirrorFailure when the part is not the file */
async function checkPart({ part, file }: Job): Promise<void> {
  const actual = await hashFile(part);
  if (file.packings.some(({ sha256 }) => sha256 === actual)) return;
  const size = await sizeOf(part);
  const shortest = Math.min(...file.packings.map(({ bytes }) => bytes));
  if (size < shortest)
    throw new MirrorFailure(`the answer stops after ${size} of ${shortest} bytes`);
  throw new MirrorFailure(`other bytes: SHA-256 ${actual}, not ${file.packings[0]?.sha256}`, {
    spoiled: true,
  });
}

/** SHA-256 of a file, read a piece at a time. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
