import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { cacheFolder, DataError, loadDataset, loadFashionMnist } from '@deepend/data';
import fs from 'fs-extra';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { idx, smallSet } from '../helpers/idx';
import { hasRightsToTest, withoutRights } from '../helpers/rights';
import { fileServer, serve, type TestServer } from '../helpers/server';

const { spec, files } = smallSet();
const servers: TestServer[] = [];
let dir: string;
const cache = () => cacheFolder(spec.id);
const load = (options: object = {}) =>
  loadDataset(spec, 2, { progress: false, timeout: 2000, ...options });

async function mirror(listener: RequestListener): Promise<TestServer> {
  const server = await serve(listener);
  servers.push(server);
  return server;
}
const dead: RequestListener = (request) => request.socket.destroy();
async function fill(folder: string, { packed = true } = {}): Promise<string> {
  const { gunzipSync } = await import('node:zlib');
  for (const [name, bytes] of files)
    await fs.outputFile(
      path.join(folder, packed ? name : name.slice(0, -3)),
      packed ? bytes : gunzipSync(bytes),
    );
  return folder;
}

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  vi.stubEnv('XDG_CACHE_HOME', path.join(dir, 'cache'));
  vi.stubEnv('DEEPEND_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await fs.remove(dir);
});

describe('where a dataset is searched', () => {
  it('finds gzipped and unpacked files in root, or in a subfolder of the dataset', async () => {
    for (const root of [
      await fill(path.join(dir, 'a')),
      await fill(path.join(dir, 'b'), { packed: false }),
    ])
      expect((await load({ root }))[0].dataset.source).toBe(root);
    await fill(path.join(dir, 'c', 'small'));
    const [train, test] = await load({ root: path.join(dir, 'c') });
    expect(train.dataset.source).toBe(path.join(dir, 'c', 'small'));
    expect([train.numSamples, test.numSamples]).toEqual([6, 4]);
    expect(train.classNames).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['a dot before idx', (name: string) => name.replace('-idx', '.idx')],
    ['a dot before idx, packed', (name: string) => `${name.replace('-idx', '.idx')}.gz`],
    ['folders of their names', (name: string) => path.join(name, name)],
  ])('finds files with %s', async (_, variant) => {
    const files = new Map<string, Buffer>();
    const file = (name: string, bytes: Buffer) => {
      files.set(name, bytes);
      return { name };
    };
    const split = (name: string) => ({
      numSamples: 2,
      images: file(`${name}-images-idx3-ubyte`, idx([2, 3, 2], new Uint8Array(12).fill(7))),
      labels: file(`${name}-labels-idx1-ubyte`, idx([2], Uint8Array.of(0, 2))),
    });
    const splits = { train: split('train'), test: split('t10k') };
    for (const [name, bytes] of files) {
      const to = path.join(dir, variant(name));
      await fs.outputFile(to, to.endsWith('.gz') ? gzipSync(bytes) : bytes);
    }
    const [train] = await loadDataset({ ...spec, splits }, 2, { root: dir });
    expect([...train.dataset.labels]).toEqual([0, 2]);
  });

  it('searches root, DEEPEND_DATA, the cache and the system folders, in this order', async () => {
    const system = await fill(path.join(dir, 'system'));
    const withSystem = { ...spec, systemFolders: [system] };
    const source = async (options = {}) =>
      (await loadDataset(withSystem, 2, { progress: false, ...options }))[0].dataset.source;
    expect(await source()).toBe(system);
    await fill(cache());
    expect(await source()).toBe(cache());
    const chosen = await fill(path.join(dir, 'chosen'));
    vi.stubEnv('DEEPEND_DATA', chosen);
    expect(await source()).toBe(chosen);
    const root = await fill(path.join(dir, 'root'));
    expect(await source({ root })).toBe(root);
  });

  it('searches no other place when root or DEEPEND_DATA names a folder without it', async () => {
    await fill(cache());
    await expect(load({ root: path.join(dir, 'none') })).rejects.toThrow(
      /none: expected Small set \(train-images, .*\), got no folder with all of them among .*none.small, .*none; it is set by option "root" \(--root\)/,
    );
    vi.stubEnv('DEEPEND_DATA', path.join(dir, 'none'));
    await expect(load()).rejects.toThrow(/it is set by DEEPEND_DATA: correct it/);
  });

  it('skips a damaged folder, and lists it in the error', async () => {
    const system = await fill(path.join(dir, 'system'));
    await fs.truncate(path.join(system, 'train-images.gz'), 20);
    const broken = { ...spec, systemFolders: [system] };
    await expect(loadDataset(broken, 2, { progress: false, download: false })).rejects.toThrow(
      /train-images\.gz: expected an IDX header of 16 bytes, got 9 bytes: the file is truncated/,
    );
    const { url } = await mirror(fileServer(files));
    const [train] = await loadDataset(broken, 2, { progress: false, mirrors: [url] });
    expect(train.dataset.source).toBe(cache());
  });
});

describe('a download', () => {
  it('goes to the cache, and is not repeated', async () => {
    const server = await mirror(fileServer(files));
    await load({ mirrors: [server.url] });
    expect(server.requests).toHaveLength(4);
    expect((await fs.readdir(cache())).sort()).toEqual([...files.keys()].sort());
    await load({ mirrors: [server.url] });
    expect(server.requests).toHaveLength(4);
  });

  it('comes from DEEPEND_MIRROR before the other mirrors', async () => {
    const usual = await mirror(fileServer(files));
    const withUsual = { ...spec, mirrors: [usual.url] };
    const inFolder = [...files].map(([name, bytes]) => [`data/small-set/${name}`, bytes] as const);
    const own = await mirror(fileServer(new Map(inFolder)));
    for (const slash of ['', '/']) {
      vi.stubEnv('DEEPEND_MIRROR', `${own.url}data${slash}`);
      await loadDataset(withUsual, 2, { progress: false });
      await fs.remove(cache());
    }
    expect([own.requests.length, usual.requests.length]).toEqual([8, 0]);
    vi.stubEnv('DEEPEND_MIRROR', `${own.url}elsewhere`);
    await loadDataset(withUsual, 2, { progress: false });
    expect([own.requests.length, usual.requests.length]).toEqual([12, 4]);
    await fs.remove(cache());
    for (const wrong of ['mirror.example', 'ftp://mirror.example/data', 'file:///data']) {
      vi.stubEnv('DEEPEND_MIRROR', wrong);
      await expect(loadDataset(withUsual, 2, { progress: false })).rejects.toThrow(
        /DEEPEND_MIRROR: expected a URL of http or https, .*; correct or unset it/,
      );
    }
  });

  it('comes from the next mirror when one fails', async () => {
    const servers = [
      await mirror(dead),
      await mirror((_, response) => response.writeHead(503).end()),
      await mirror(fileServer(files)),
    ];
    await load({ mirrors: servers.map(({ url }) => url) });
    expect(servers[2]?.requests).toHaveLength(4);
  });

  it('resumes where it was interrupted', async () => {
    const name = 'train-images.gz';
    const whole = files.get(name) as Buffer;
    const cut = await mirror((request, response) => {
      if (request.url !== `/${name}`) return fileServer(files)(request, response);
      response.writeHead(200, { 'content-length': whole.length });
      response.write(whole.subarray(0, 15), () => setTimeout(() => response.destroy(), 50));
    });
    await expect(load({ mirrors: [cut.url] })).rejects.toThrow(/nothing usable/);
    expect(await fs.pathExists(path.join(cache(), name))).toBe(false);
    expect((await fs.stat(path.join(cache(), `${name}.part`))).size).toBe(15);
    const sound = await mirror(fileServer(files));
    await load({ mirrors: [sound.url] });
    expect(sound.requests[0]).toBe(`/${name} bytes=15-`);
    expect(await fs.readFile(path.join(cache(), name))).toEqual(whole);
  });

  it('starts over if the server ignores ranges, or the partial file was wrong', async () => {
    const name = 'train-images.gz';
    const whole = files.get(name) as Buffer;
    for (const [part, ranges] of [
      [whole.subarray(0, 9), false],
      [Buffer.from([0x1f, 0x8b, 9, 9]), true],
      [Buffer.alloc(500), true],
    ] as const) {
      await fs.remove(cache());
      await fs.outputFile(path.join(cache(), `${name}.part`), part);
      const server = await mirror(fileServer(files, { ranges }));
      await load({ mirrors: [server.url] });
      expect(await fs.readFile(path.join(cache(), name))).toEqual(whole);
    }
  });

  it('replaces a damaged file in the cache', async () => {
    await fill(cache());
    await fs.truncate(path.join(cache(), 'test-labels.gz'), 10);
    const server = await mirror(fileServer(files));
    await load({ mirrors: [server.url] });
    expect(server.requests).toEqual(['/test-labels.gz']);
  });

  it('happens once for two callers at the same time', async () => {
    const server = await mirror((request, response) =>
      setTimeout(() => fileServer(files)(request, response), 30),
    );
    await Promise.all([
      load({ mirrors: [server.url] }),
      load({ mirrors: [server.url] }),
      load({ mirrors: [server.url] }),
    ]);
    expect(server.requests).toHaveLength(4);
  });

  const foreign: [string, RequestListener, RegExp][] = [
    [
      'a web page',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /a web page \(text\/html\) instead of the file/,
    ],
    [
      'another file',
      (_, response) =>
        response
          .writeHead(200)
          .end(Buffer.from(files.get('train-images.gz') as Buffer).fill(7, 30)),
      /train-images\.gz: .*SHA-256/,
    ],
    [
      'no gzip file',
      (_, response) => response.writeHead(200).end('hello'),
      /something that is not a gzip file/,
    ],
    [
      'far too much',
      (_, response) =>
        response
          .writeHead(200)
          .end(Buffer.concat([files.get('train-images.gz') as Buffer, Buffer.alloc(5000)])),
      /more than the \d+ bytes of the file/,
    ],
    [
      'half a file',
      (_, response) =>
        response.writeHead(200).end((files.get('train-images.gz') as Buffer).subarray(0, 32)),
      /the answer stops after 32 of \d+ bytes/,
    ],
    ['nothing for long', () => {}, /no answer for 0\.2 s/],
    [
      'redirects for ever',
      (request, response) => response.writeHead(302, { location: `${request.url}x` }).end(),
      /train-images\.gz: redirect count exceeded/,
    ],
    [
      'a redirect to a web page',
      (request, response) =>
        (request.url?.endsWith('.gz')
          ? response.writeHead(302, { location: '/login' })
          : response.writeHead(200, { 'content-type': 'text/html' })
        ).end('<html>'),
      /a web page \(text\/html\)/,
    ],
    [
      'an encoded answer',
      (_, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'),
      /the file in another encoding \(br\)/,
    ],
    [
      'nothing at all',
      (_, response) => response.writeHead(200).end(),
      /the answer stops after 0 of \d+ bytes/,
    ],
    ['404', (_, response) => response.writeHead(404).end(), /HTTP 404/],
  ];
  it.each(foreign)('does not take %s', async (name, listener, message) => {
    const server = await mirror(listener);
    const timeout = name === 'nothing for long' ? 200 : 10_000;
    await expect(load({ mirrors: [server.url], timeout })).rejects.toThrow(message);
    expect((await fs.readdir(cache())).filter((name) => name.endsWith('.gz'))).toEqual([]);
  });

  it('lists every place that was tried, and the solutions, when none has the dataset', async () => {
    const [one, two] = [
      await mirror(dead),
      await mirror((_, response) => response.writeHead(404).end()),
    ];
    const withSystem = { ...spec, systemFolders: ['/nonexistent/small'] };
    const failure = loadDataset(withSystem, 2, { progress: false, mirrors: [one.url, two.url] });
    const error = await failure.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    const { message, code } = error as DataError;
    expect(code).toBe('DEEPEND_NO_DATA');
    const expected = [
      cache(),
      '/nonexistent/small',
      `${one.url}train-images.gz`,
      `${two.url}train-images.gz: HTTP 404`,
    ];
    for (const text of [
      ...expected,
      'option "root" (--root)',
      'DEEPEND_DATA',
      'HTTPS_PROXY',
      'DEEPEND_MIRROR',
      'apt-get install dataset-small',
    ])
      expect(message).toContain(text);
    await expect(load({ download: false })).rejects.toThrow(
      'mirrors: not asked, since "download" is false',
    );
  });

  it('says what is wrong with a cache that cannot be written', async () => {
    await fs.writeFile(path.join(dir, 'cache'), 'a file');
    const { url } = await mirror(fileServer(files));
    await expect(load({ mirrors: [url] })).rejects.toThrow(
      /expected a folder that can be written to, got a file where a folder should be \(E(NOTDIR|EXIST)\)|got .*EEXIST.*; free space or grant write permission there, or set XDG_CACHE_HOME/,
    );
  });

  it.skipIf(!fs.existsSync('/dev/full'))(
    'says so when the disk is full (needs /dev/full)',
    async () => {
      await fs.ensureDir(cache());
      await fs.symlink('/dev/full', path.join(cache(), 'train-images.gz.part'));
      const { url } = await mirror(fileServer(files));
      await expect(load({ mirrors: [url] })).rejects.toThrow(
        /got a full disk \(ENOSPC\); free space/,
      );
    },
  );

  it.skipIf(!hasRightsToTest)(
    'says so when the cache may not be written to (needs users)',
    async () => {
      await fs.ensureDir(cache());
      for (const folder of [dir, path.dirname(path.dirname(cache())), path.dirname(cache())])
        await fs.chmod(folder, 0o755);
      await fs.chmod(cache(), 0o555);
      const { url } = await mirror(fileServer(files));
      const message =
        /no rights to it \(EACCES\); free space or grant write permission there, or set XDG_CACHE_HOME/;
      await withoutRights(() => expect(load({ mirrors: [url] })).rejects.toThrow(message));
      expect(await fs.readdir(cache())).toEqual([]);
    },
  );
});

describe('bad input', () => {
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a batch size of 0',
      () => loadFashionMnist(0),
      /loadFashionMnist: option "batchSize" must be an integer of at least 1, got 0/,
    ],
    [
      'half a batch',
      () => loadFashionMnist(2.5),
      /"batchSize" must be an integer of at least 1, got 2.5/,
    ],
    [
      'an unknown option',
      () => loadFashionMnist(8, { batch: 3 } as never),
      /there is no option "batch"/,
    ],
    [
      'an image of no pixels',
      () => loadFashionMnist(8, { resize: 0 }),
      /"resize" must be an integer from 1 to 16384/,
    ],
    [
      'more images than there are',
      () => loadFashionMnist(8, { numTrain: 60_001 }),
      /"numTrain" \(--train\) must be at most 60000, the size of the dataset, got 60001/,
    ],
    [
      'a seed below 0',
      () => loadFashionMnist(8, { seed: 1.5 }),
      /"seed" must be a safe integer .*, got 1\.5/,
    ],
    [
      'a batch too large for a tensor',
      async () => loadDataset(spec, 4, { root: await fill(path.join(dir, 'x')), resize: 16384 }),
      /a batch of 4 images of 24576 × 16384 × 1 is too large/,
    ],
  ];
  it.each(cases)('%s', async (_, act, message) => {
    await expect(act()).rejects.toThrow(message);
  });
});
