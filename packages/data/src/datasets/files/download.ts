/**
 * Downloads one file from the first mirror that has it. The bytes go to `NAME.part`, where a later
 * try can resume; the file gets its name only when it is complete and its checksum is right.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isError, publishFile } from '@deepend/core';
import { reason } from '../../errors';
import type { PackedFile } from '../spec';
import { folderError } from './cache';
import type { Meter, Reporter } from './progress';
import { describeProxy, fetchByProxy } from './proxy';

/** The file to download. */
export interface WantedFile {
  /** Its name on the mirror and on disk; ends in `.gz` or `.zip`. */
  readonly name: string;
  /** The files that are accepted; mirrors usually serve the first. */
  readonly packings: readonly PackedFile[];
}

export interface DownloadOptions {
  /** URLs to which the file's name is added, in the order in which to try them. */
  mirrors: readonly string[];
  /** Milliseconds without data after which the next mirror is tried. */
  timeout: number;
  report: Reporter;
}

/** Why one mirror failed. `spoiled`: the partial file is wrong, so do not resume it. */
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

interface Attempt {
  url: string;
  /** Path of the partial file. */
  part: string;
  file: WantedFile;
  timeout: number;
  report: Reporter;
}

/**
 * Downloads `file` into `folder`.
 * @returns why each mirror failed; empty when the download has succeeded
 * @throws DataError when the folder cannot be written to
 */
export async function download(
  file: WantedFile,
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
      await publishFile(part, join(folder, file.name));
      return [];
    }
    failures.push(`${url}: ${failure}`);
    report.say(`${url}: ${failure}`);
  }
  return failures;
}

/**
 * Resumes a partial file, and starts over if that fails because of what is in it.
 * @returns the failure, or undefined after a success
 */
async function tryMirror(attempt: Attempt): Promise<string | undefined> {
  for (;;) {
    const start = await sizeOf(attempt.part);
    try {
      const complete = attempt.file.packings.some(({ bytes }) => bytes === start);
      if (!complete) await fetchInto(attempt, start);
      await checkPart(attempt);
      return undefined;
    } catch (error) {
      if (!(error instanceof MirrorFailure)) throw error;
      if (error.spoiled) await rm(attempt.part, { force: true });
      if (!error.spoiled || start === 0) return error.message;
    }
  }
}

/** Appends the response of one request to the partial file. */
async function fetchInto(attempt: Attempt, start: number): Promise<void> {
  const { url, part, file, timeout, report } = attempt;
  const silence = new AbortController();
  const abort = () => silence.abort(new Error(`no answer for ${timeout / 1000} s`));
  const timer = setTimeout(abort, timeout);
  let close = async () => {};
  try {
    const headers = {
      'accept-encoding': 'identity',
      ...(start > 0 && { range: `bytes=${start}-` }),
    };
    const request = await fetchByProxy(url, { headers, signal: silence.signal });
    const { response } = request;
    close = request.close;
    const from = acceptedStart(response, start);
    if (!response.body) throw new MirrorFailure('an empty answer');
    const onData = () => timer.refresh();
    await writePart(response.body, { part, file, report, from, onData });
  } catch (error) {
    if (error instanceof MirrorFailure || !isError(error) || error.name === 'DataError')
      throw error;
    const [message = ''] = reason(silence.signal.aborted ? silence.signal.reason : error).split(
      '\n',
    );
    const proxy = describeProxy(url);
    throw new MirrorFailure(proxy ? `${message}, through ${proxy}` : message, { cause: error });
  } finally {
    clearTimeout(timer);
    silence.abort(); // closes a connection whose response was not read to its end
    void close();
  }
}

/** Returns the position where the response continues. @throws MirrorFailure if it is unusable */
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
  if (response.status !== 206) return 0; // the server ignores ranges and sends the whole file
  const range = response.headers.get('content-range') ?? '';
  if (asked === 0 || !range.startsWith(`bytes ${asked}-`)) {
    throw new MirrorFailure(`another range than asked for (${range || 'none'})`, { spoiled: true });
  }
  return asked;
}

interface WriteOptions {
  part: string;
  file: WantedFile;
  report: Reporter;
  from: number;
  onData: () => void;
}

async function writePart(
  body: AsyncIterable<Uint8Array>,
  { part, file, report, from, onData }: WriteOptions,
): Promise<void> {
  const longest = Math.max(...file.packings.map(({ bytes }) => bytes));
  const handle = await onDisk(part, () => open(part, from > 0 ? 'a' : 'w'));
  const expected = file.packings[0]?.bytes ?? longest;
  let size = from;
  let meter: Meter | undefined;
  try {
    meter = await report.meter(`downloading ${file.name}`, expected);
    for await (const chunk of body) {
      onData();
      if (size === 0 && !startsWithMagic(chunk, file)) {
        const got = `something that is not a ${kindOf(file)} file`;
        throw new MirrorFailure(got, { spoiled: true });
      }
      size += chunk.length;
      if (size > longest)
        throw new MirrorFailure(`more than the ${longest} bytes of the file`, { spoiled: true });
      await onDisk(part, () => handle.writeFile(chunk));
      meter.at(size);
    }
    // Before the rename the bytes must be on the disk: a power cut could leave a truncated file.
    await onDisk(part, () => handle.sync());
  } finally {
    meter?.stop();
    await handle.close();
  }
}

const kindOf = ({ name }: WantedFile) => (name.endsWith('.zip') ? 'zip' : 'gzip');
const MAGIC = { gzip: [0x1f, 0x8b], zip: [0x50, 0x4b] };
const startsWithMagic = (chunk: Uint8Array, file: WantedFile) =>
  MAGIC[kindOf(file)].every((byte, i) => i >= chunk.length || chunk[i] === byte);

/**
 * Disk errors abort the download, since another mirror cannot help. The partial file is deleted,
 * because it may be what fills the disk.
 */
async function onDisk<T>(part: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw folderError(part, error);
  }
}

/** @throws MirrorFailure when the partial file is not the wanted file */
async function checkPart({ part, file }: Attempt): Promise<void> {
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

/** Computes the SHA-256 of a file without loading it into memory. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
