// Full run only: it kills processes that download.
/**
 * Downloads by several processes, some of which die: what is in the cache is whole, and nobody
 * waits for the dead.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cacheFolder, loadDataset } from '@deepend/data';
import fs from 'fs-extra';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { smallSet } from '../helpers/idx';
import { fileServer, serve, type TestServer } from '../helpers/server';

const { spec, files } = smallSet();
const script = path.resolve('test/helpers/load-set.ts');
let dir: string;
let server: TestServer | undefined;
const cache = () => cacheFolder(spec.id);
const children: ChildProcess[] = [];

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  vi.stubEnv('XDG_CACHE_HOME', path.join(dir, 'cache'));
  vi.stubEnv('DEEPEND_DATA', '');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await server?.close();
  vi.unstubAllEnvs();
  await fs.remove(dir);
});

function start(url: string): {
  child: ChildProcess;
  done: Promise<{ code: number | null; out: string; said: string }>;
} {
  const child = spawn(process.execPath, ['--import', 'tsx', script, url], {
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let [out, said] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    said += text;
  });
  return {
    child,
    done: new Promise((resolve) => child.on('close', (code) => resolve({ code, out, said }))),
  };
}

describe('processes', () => {
  it('that download at once fetch each file once', async () => {
    server = await serve((request, response) =>
      setTimeout(() => fileServer(files)(request, response), 100),
    );
    const results = await Promise.all([start(server.url).done, start(server.url).done]);
    for (const { code, out, said } of results)
      expect([code, out, said.includes('Error')]).toEqual([0, cache(), false]);
    expect(server.requests).toHaveLength(4);
    expect((await fs.readdir(cache())).sort()).toEqual([...files.keys()].sort());
  });

  it('that are killed leave a part, which the next one completes', async () => {
    const name = 'train-images.gz';
    const whole = files.get(name) as Buffer;
    server = await serve((request, response) => {
      if (request.headers.range || request.url !== `/${name}`)
        return fileServer(files)(request, response);
      response.writeHead(200, { 'content-length': whole.length }); // and then stops halfway, without an end
      response.write(whole.subarray(0, 20));
    });
    const { child, done } = start(server.url);
    const part = path.join(cache(), `${name}.part`);
    await vi.waitFor(async () => expect((await fs.stat(part)).size).toBe(20), {
      timeout: 50_000,
      interval: 50,
    });
    child.kill('SIGKILL');
    await done;
    expect(await fs.readdir(cache())).toEqual([`${name}.part`]);
    // The dead one's lock is taken over once it is stale, after 15 s; here time is set back
    // instead.
    await fs.utimes(`${cache()}.lock`, new Date(0), new Date(0));
    const [train] = await loadDataset(spec, 2, { mirrors: [server.url], progress: false });
    expect(train.dataset.source).toBe(cache());
    expect(server.requests).toContain(`/${name} bytes=20-`);
    expect((await fs.readdir(cache())).sort()).toEqual([...files.keys()].sort());
    expect(await fs.readFile(path.join(cache(), name))).toEqual(whole);
  });
});
