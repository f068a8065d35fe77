/** `download`, `downloadExtract` and `extract`: what is whole, what is resumed, what is refused. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { cacheFolder, DATA_HUB, download, downloadExtract, extract } from '@deepend/data';
import fs from 'fs-extra';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Members, tar, tarHeader, zip } from '../helpers/archives';
import { fileServer, serve, type TestServer } from '../helpers/server';

let dir: string;
let server: TestServer | undefined;

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  vi.stubEnv('XDG_CACHE_HOME', path.join(dir, 'cache'));
  vi.stubEnv('DEEPEND_DATA', '');
  vi.stubEnv('DEEPEND_MIRROR', '');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  vi.unstubAllEnvs();
  await fs.remove(dir);
});

const text = Buffer.from('The Time Machine, by H. G. Wells\n'.repeat(40));
const sha1 = createHash('sha1').update(text).digest('hex');
const quiet = { progress: false };
const serveFiles = async (files: Record<string, Buffer>) => {
  server = await serve(fileServer(new Map(Object.entries(files))));
  return server;
};

describe('download', () => {
  it('fetches a file once, and again when it is damaged', async () => {
    const { url, requests } = await serveFiles({ 'book.txt': text });
    const options = { ...quiet, root: path.join(dir, 'data'), sha1 };
    const file = await download(`${url}book.txt`, options);
    expect(file).toBe(path.join(dir, 'data', 'book.txt'));
    expect(await fs.readFile(file)).toEqual(text);
    await download(`${url}book.txt`, options);
    expect(requests).toHaveLength(1);
    await fs.writeFile(file, 'damaged');
    await download(`${url}book.txt`, options);
    expect(await fs.readFile(file)).toEqual(text);
    expect(await fs.readdir(path.dirname(file))).toEqual(['book.txt']);
  });

  it('resumes a part whose checksum is known, and no other', async () => {
    const { url, requests } = await serveFiles({ 'book.txt': text });
    await fs.outputFile(path.join(dir, 'book.txt.part'), text.subarray(0, 500));
    await download(`${url}book.txt`, { ...quiet, root: dir, sha1 });
    expect(requests[0]).toBe('/book.txt bytes=500-');
    await fs.remove(path.join(dir, 'book.txt'));
    await fs.outputFile(path.join(dir, 'book.txt.part'), Buffer.alloc(500));
    const file = await download(`${url}book.txt`, { ...quiet, root: dir });
    expect(requests[1]).toBe('/book.txt');
    expect(await fs.readFile(file)).toEqual(text);
  });

  it('starts over when a part was of another file', async () => {
    const { url } = await serveFiles({ 'book.txt': text });
    await fs.outputFile(path.join(dir, 'book.txt.part'), Buffer.alloc(500));
    const file = await download(`${url}book.txt`, { ...quiet, root: dir, sha1 });
    expect(await fs.readFile(file)).toEqual(text);
  });

  it('refuses other bytes, and says where the file can be put by hand', async () => {
    const { url } = await serveFiles({ 'book.txt': Buffer.from('another book') });
    const failed = download(`${url}book.txt`, { ...quiet, root: dir, sha1 });
    await expect(failed).rejects.toThrow(/other bytes: SHA-1 [0-9a-f]{40}, not/);
    await expect(failed).rejects.toThrow(`put it at ${path.join(dir, 'book.txt')}`);
    expect(await fs.readdir(dir)).toEqual([]);
    const absent = download(`${url}none.txt`, { ...quiet, root: dir });
    await expect(absent).rejects.toThrow('HTTP 404');
  });

  it("knows the book's names, and a mirror of them", async () => {
    const { url, requests } = await serveFiles({ 'time_machine/timemachine.txt': text });
    vi.stubEnv('DEEPEND_MIRROR', url);
    // Another text than the book's: its checksum refuses it. No other address may be asked here.
    const known = DATA_HUB.time_machine as unknown as { urls: string[] };
    const urls = known.urls.splice(0);
    known.urls.push(`${url}elsewhere/timemachine.txt`);
    try {
      await expect(download('time_machine', quiet)).rejects.toThrow('other bytes');
    } finally {
      known.urls.splice(0, 1, ...urls);
    }
    expect(requests).toEqual(['/time_machine/timemachine.txt', '/elsewhere/timemachine.txt']);
    await expect(download('time_machin')).rejects.toThrow("did you mean 'time_machine'?");
    await expect(download('ftp://example.com/a')).rejects.toThrow('http or https');
    await expect(download('https://example.com/')).rejects.toThrow('ends with the name of a file');
    await expect(download('ptb', { sha1 })).rejects.toThrow("that of 'ptb' is known");
  });

  it('reads DEEPEND_DATA only, and downloads nothing when it may not', async () => {
    vi.stubEnv('DEEPEND_DATA', dir);
    const failed = download('time_machine', quiet);
    await expect(failed).rejects.toThrow('it is not there, by DEEPEND_DATA');
    await expect(failed).rejects.toThrow(`put it at ${path.join(dir, 'timemachine.txt')}`);
    vi.stubEnv('DEEPEND_DATA', '');
    const offline = download('time_machine', { ...quiet, download: false });
    await expect(offline).rejects.toThrow(path.join(cacheFolder('book'), 'timemachine.txt'));
  });
});

const members: Members = { 'set/a.txt': text, 'set/deep/b.txt': Buffer.from('b'), 'c.txt': text };
const PACKERS: Record<string, (files: Members) => Buffer> = {
  '.zip': zip,
  '.tar': tar,
  '.tar.gz': (files) => gzipSync(tar(files)),
  '.tgz': (files) => gzipSync(tar(files)),
};

describe('extract', () => {
  it.each(Object.keys(PACKERS))('unpacks %s, and replaces what was there', async (ending) => {
    const file = path.join(dir, `set${ending}`);
    await fs.writeFile(file, PACKERS[ending]?.(members) as Buffer);
    await fs.outputFile(path.join(dir, 'set/a.txt'), 'old');
    await fs.outputFile(path.join(dir, 'set/mine.txt'), 'mine');
    expect(await extract(file)).toBe(dir);
    const read = (name: string) => fs.readFile(path.join(dir, name), 'utf8');
    expect(await read('set/a.txt')).toBe(text.toString());
    expect(await read('set/deep/b.txt')).toBe('b');
    expect(await read('set/mine.txt')).toBe('mine');
    expect((await fs.readdir(dir)).sort()).toEqual(['c.txt', 'set', `set${ending}`]);
  });

  const WAYS_OUT = ['../out.txt', '/out.txt', 'a/../../out.txt', 'C:/out.txt', '..\\out.txt'];
  it.each(WAYS_OUT.flatMap((way) => ['.zip', '.tar', '.tgz'].map((ending) => [way, ending])))(
    'writes nothing for the path %s in %s',
    async (way, ending) => {
      const file = path.join(dir, 'in', `bad${ending}`);
      const bad = { 'good.txt': text, [way]: text };
      await fs.outputFile(file, PACKERS[ending]?.(bad) as Buffer);
      await expect(extract(file)).rejects.toThrow(`inside the archive, got '${way}'`);
      expect(await fs.readdir(path.dirname(file))).toEqual([`bad${ending}`]);
      expect(await fs.readdir(dir)).toEqual(['in']);
    },
  );

  it('refuses bombs, before it unpacks them', async () => {
    const zeros = { 'zeros.bin': Buffer.alloc(2 ** 20) };
    for (const ending of ['.zip', '.tgz']) {
      const file = path.join(dir, `bomb${ending}`);
      await fs.writeFile(file, PACKERS[ending]?.(zeros) as Buffer);
      await expect(extract(file, dir, { maxBytes: 2 ** 16 })).rejects.toThrow(/more than|65536/);
      await extract(file, path.join(dir, 'ok'), { maxBytes: 2 ** 21 });
      await fs.remove(file);
    }
    expect(await fs.readdir(dir)).toEqual(['ok']);
    // A directory that gives too small a size.
    const liar = path.join(dir, 'liar.zip');
    await fs.writeFile(
      liar,
      zip(zeros, () => 100),
    );
    await expect(extract(liar)).rejects.toThrow('liar.zip: expected a complete zip archive');
  });

  it('refuses damaged archives and other files', async () => {
    const file = path.join(dir, 'set.zip');
    await fs.writeFile(file, zip(members).subarray(0, 200));
    await expect(extract(file)).rejects.toThrow('not a zip archive, or truncated');
    await fs.writeFile(path.join(dir, 'a.rar'), 'x');
    await expect(extract(path.join(dir, 'a.rar'))).rejects.toThrow('ends in .zip, .tar, .tar.gz');
    await expect(extract(path.join(dir, 'none.tar'))).rejects.toThrow('nothing there');
  });

  it('reads long paths of tar archives, by GNU and by POSIX', async () => {
    const long = `${'folder/'.repeat(20)}file.txt`;
    const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(512 - (bytes.length % 512))]);
    const record = ` path=${long}\n`;
    const pax = `${record.length + 3}${record}`;
    const kinds = { L: `${long}\0`, x: pax };
    for (const [type, content] of Object.entries(kinds)) {
      const parts = [tarHeader('long', content.length, type), pad(Buffer.from(content))];
      const file = path.join(dir, `${type}.tar`);
      await fs.writeFile(file, Buffer.concat([...parts, tar({ 'cut.txt': text })]));
      await extract(file, path.join(dir, type));
      expect(await fs.readFile(path.join(dir, type, long))).toEqual(text);
      expect(await fs.pathExists(path.join(dir, type, 'cut.txt'))).toBe(false);
    }
  });
});

describe('downloadExtract', () => {
  it('downloads and unpacks once, and takes a folder that is there', async () => {
    const { url, requests } = await serveFiles({ 'set.zip': zip(members) });
    const options = { ...quiet, root: dir };
    const folder = await downloadExtract(`${url}set.zip`, options);
    expect(folder).toBe(path.join(dir, 'set'));
    expect(await fs.readFile(path.join(folder, 'a.txt'))).toEqual(text);
    await fs.remove(path.join(dir, 'set.zip'));
    expect(await downloadExtract(`${url}set.zip`, options)).toBe(folder);
    expect(requests).toHaveLength(1);
    await fs.outputFile(path.join(dir, 'ptb', 'ptb.train.txt'), 'by hand');
    expect(await downloadExtract('ptb', options)).toBe(path.join(dir, 'ptb'));
  });

  it('unpacks an archive of DEEPEND_DATA in the cache', async () => {
    const data = path.join(dir, 'data');
    await fs.outputFile(path.join(data, 'set.zip'), zip(members));
    vi.stubEnv('DEEPEND_DATA', data);
    const folder = await downloadExtract('https://example.com/set.zip', quiet);
    expect(folder).toBe(path.join(cacheFolder('book'), 'set'));
    expect(await fs.readdir(data)).toEqual(['set.zip']);
    expect(await downloadExtract('https://example.com/set.zip', quiet)).toBe(folder);
  });

  it('says when the archive has another folder', async () => {
    const { url } = await serveFiles({ 'other.zip': zip(members) });
    await expect(downloadExtract(`${url}other.zip`, { ...quiet, root: dir })).rejects.toThrow(
      'expected an archive that contains the folder other',
    );
  });
});
