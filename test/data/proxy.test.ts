/** Downloads through a proxy on this machine. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadDataset } from '@deepend/data';
import fs from 'fs-extra';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { smallSet } from '../helpers/idx';
import { fileServer, serve, type TestServer } from '../helpers/server';

const { spec, files } = smallSet();
let dir: string;
let mirror: TestServer;
let proxy: Server;
let proxied: string[];

/** Sends every host name on to the mirror: the proxy, not this machine, looks names up. */
function startProxy(): Promise<Server> {
  const { port } = new URL(mirror.url);
  const server = createServer((request, response) => {
    const { host, pathname } = new URL(request.url as string);
    proxied.push(host);
    const { headers } = request;
    const forwarded = httpRequest(
      { host: '127.0.0.1', port, path: pathname, headers },
      (answer) => {
        response.writeHead(answer.statusCode as number, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(forwarded);
  });
  server.on('connect', (request, socket) => {
    proxied.push(request.url as string);
    const target = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    target.on('error', () => socket.destroy());
    socket.on('error', () => target.destroy());
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const proxyUrl = (credentials = '') =>
  `http://${credentials}127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const load = (url: string) => loadDataset(spec, 2, { mirrors: [url], progress: false });

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  for (const name of ['DEEPEND_DATA', 'DEEPEND_MIRROR']) vi.stubEnv(name, '');
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy']) {
    vi.stubEnv(name, undefined);
    vi.stubEnv(name.toUpperCase(), undefined);
  }
  vi.stubEnv('XDG_CACHE_HOME', dir);
  mirror = await serve(fileServer(files));
  proxied = [];
  proxy = await startProxy();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await mirror.close();
  await fs.remove(dir);
});

describe('a download', () => {
  it.each(['HTTP_PROXY', 'http_proxy'])('takes the proxy of %s', async (name) => {
    vi.stubEnv(name, proxyUrl());
    const [train] = await load('http://mirror.invalid/');
    expect(train.numSamples).toBe(6);
    expect(new Set(proxied.map((host) => host.replace(/:80$/, '')))).toEqual(
      new Set(['mirror.invalid']),
    );
    expect(mirror.requests).toHaveLength(4);
  });

  it('asks the proxy of HTTPS_PROXY for a tunnel', async () => {
    vi.stubEnv('HTTPS_PROXY', proxyUrl());
    // The mirror speaks no TLS, so the download fails behind the tunnel.
    await expect(load('https://mirror.invalid/')).rejects.toThrow(
      /https:\/\/mirror\.invalid\/train-images\.gz: .*, through the proxy http:\/\/127\.0\.0\.1:\d+ of HTTPS_PROXY/,
    );
    expect(proxied).toContain('mirror.invalid:443');
  });

  it('goes directly to the hosts of NO_PROXY', async () => {
    vi.stubEnv('HTTP_PROXY', proxyUrl());
    vi.stubEnv('NO_PROXY', 'example.com,127.0.0.1');
    await load(mirror.url);
    expect([proxied, mirror.requests.length]).toEqual([[], 4]);
  });

  it('names a proxy that fails, without its password', async () => {
    vi.stubEnv('HTTP_PROXY', 'http://user:secret@127.0.0.1:9');
    const error = await load('http://mirror.invalid/').then(
      () => undefined,
      (caught: unknown) => caught as Error,
    );
    expect(error?.message).toMatch(
      /the connection was refused \(ECONNREFUSED\), through the proxy http:\/\/127\.0\.0\.1:9 of HTTP_PROXY/,
    );
    expect(error?.message).not.toContain('secret');
    vi.stubEnv('HTTP_PROXY', '127.0.0.1 9');
    await expect(load('http://mirror.invalid/')).rejects.toThrow(
      /the proxy 127\.0\.0\.1 9 of HTTP_P/,
    );
  });
});
