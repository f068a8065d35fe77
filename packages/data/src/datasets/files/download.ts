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
  /** Its name on disk. */
  readonly name: string;
  /** The files that are accepted; mirrors usually serve the first. If empty, `sha1` decides. */
  readonly packings: readonly PackedFile[];
  /** SHA-1 of the file, where only this is published. */
  readonly sha1?: string | undefined;
}

export interface TransferOptions {
  /** Addresses of the file, in the order in which to try them. */
  urls: readonly string[];
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
export async function transfer(
  file: WantedFile,
  folder: string,
  options: TransferOptions,
): Promise<string[]> {
  const { urls, timeout, report } = options;
  const part = join(folder, `${file.name}.part`);
  const failures: string[] = [];
  // Without a checksum, the rest of a file could come from another version of it.
  if (!isChecked(file)) await rm(part, { force: true });
  for (const url of urls) {
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

const isChecked = ({ packings, sha1 }: WantedFile) => packings.length > 0 || sha1 !== undefined;

/** Whether a partial file of `size` bytes needs no further request. */
async function isComplete({ part, file }: Attempt, size: number): Promise<boolean> {
  if (file.packings.some(({ bytes }) => bytes === size)) return true;
  return file.sha1 !== undefined && size > 0 && (await hashFile(part, 'sha1')) === file.sha1;
}

/**
 * Resumes a partial file, and starts over if that fails because of what is in it.
 * @returns the failure, or undefined after a success
 */
async function tryMirror(attempt: Attempt): Promise<string | undefined> {
  for (;;) {
    const start = await sizeOf(attempt.part);
    try {
      if (!(await isComplete(attempt, start))) await fetchInto(attempt, start);
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
    const rest = Number(response.headers.get('content-length')) || undefined;
    const expected = file.packings[0]?.bytes ?? (rest && from + rest);
    await writePart(response.body, { part, file, report, from, expected, onData });
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
  /** Bytes of the whole file, if they are known. */
  expected: number | undefined;
  onData: () => void;
}

async function writePart(
  body: AsyncIterable<Uint8Array>,
  { part, file, report, from, expected, onData }: WriteOptions,
): Promise<void> {
  const sizes = file.packings.map(({ bytes }) => bytes);
  const longest = sizes.length > 0 ? Math.max(...sizes) : MAX_DOWNLOAD;
  const handle = await onDisk(part, () => open(part, from > 0 ? 'a' : 'w'));
  let size = from;
  let meter: Meter | undefined;
  try {
    if (expected) meter = await report.meter(`downloading ${file.name}`, expected);
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
      meter?.at(size);
    }
    // Before the rename the bytes must be on the disk: a power cut could leave a truncated file.
    await onDisk(part, () => handle.sync());
  } finally {
    meter?.stop();
    await handle.close();
  }
}

/** Largest file whose size is not known beforehand. */
const MAX_DOWNLOAD = 2 ** 35;
const MAGIC = { gzip: [0x1f, 0x8b], zip: [0x50, 0x4b], other: [] as number[] } as const;

function kindOf({ name }: WantedFile): keyof typeof MAGIC {
  if (name.endsWith('.zip')) return 'zip';
  return /\.t?gz$/.test(name) ? 'gzip' : 'other';
}

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
  if (!isChecked(file)) return;
  if (file.sha1 !== undefined) {
    const actual = await hashFile(part, 'sha1');
    if (actual === file.sha1) return;
    throw new MirrorFailure(`other bytes: SHA-1 ${actual}, not ${file.sha1}`, { spoiled: true });
  }
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

/** Computes a checksum of a file without loading it into memory. */
export async function hashFile(file: string, kind: 'sha1' | 'sha256' = 'sha256'): Promise<string> {
  const hash = createHash(kind);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
