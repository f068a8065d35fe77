/**
 * The dashboard's server: what it answers, whom, and that it gives nothing beside its folder's
 * runs.
 */
import { execFileSync, spawn } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type runs, startDashboard } from 'deepend';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isFull } from '../helpers/full';
import { buildProgram, type Program } from '../helpers/program';
import { ask, fakeRun, heard, news, tokenHeader } from './dashboard-fixtures';

let dir: string;
let root: string;
let dashboard: runs.Dashboard;
let url: string;
const SECRET = 'only its owner may know';

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  root = path.join(dir, 'runs');
  await fakeRun(path.join(root, 'lenet'), { finished: true });
  dashboard = await startDashboard(root, { port: 0 });
  url = dashboard.url;
});
afterAll(async () => {
  await dashboard.close();
  await fs.remove(dir);
});

const programs = new Map<string, Promise<Program>>();
const programOf = (script: string) => {
  const program = programs.get(script) ?? buildProgram(`test/deepend/${script}`);
  programs.set(script, program);
  return program;
};
afterAll(async () => {
  for (const program of programs.values()) await (await program).remove();
});

const child = async (script: string, args: string[], env: object = {}) => {
  const { file } = await programOf(script);
  const started = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [started.stdout, started.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  const ended = new Promise<number | null>((resolve) => started.on('close', resolve));
  return { started, output: () => output, ended };
};

describe('startDashboard', () => {
  const reaches = (host: string) =>
    new Promise<boolean>((resolve) => {
      const socket = net.connect({ host, port: Number(new URL(url).port) }, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });

  it('listens on 127.0.0.1 and nowhere else', async () => {
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{48}$/);
    expect(await reaches('127.0.0.1')).toBe(true);
    const others = Object.values((await import('node:os')).networkInterfaces()).flatMap(
      (all) => all ?? [],
    );
    for (const { address } of others.filter((one) => one.address !== '127.0.0.1'))
      expect(await reaches(address), address).toBe(false);
    if (process.platform === 'linux') expect(await reaches('127.0.0.2')).toBe(false); // the whole of 127/8 is this machine
  });

  it('finds a port of its own, and says when the one that was named is taken', async () => {
    const two = [await startDashboard(root), await startDashboard(root)];
    const ports = two.map((one) => Number(new URL(one.url).port));
    expect(ports[0]).not.toBe(ports[1]);
    for (const port of ports) expect([port >= 6060, port <= 6079]).toEqual([true, true]);
    await expect(startDashboard(root, { port: ports[0] as number })).rejects.toThrow(
      /port \d+ is taken; name another, or none/,
    );
    await Promise.all(two.map((one) => one.close()));
    const again = await startDashboard(root, { port: ports[0] as number }); // the port is free at once
    await again.close();
  });

  it.each([
    [
      'a folder that is not there',
      () => startDashboard(path.join(dir, 'nothing')),
      /nothing: expected a folder of runs, there is none; name another/,
    ],
    [
      'a file',
      () => startDashboard(path.join(root, 'lenet', 'config.json')),
      /expected a folder of runs/,
    ],
    ['no name', () => startDashboard(''), /expected the name of a folder, got ''/],
    [
      'a port that is none',
      () => startDashboard(root, { port: 65_536 }),
      /option "port" must be an integer from 0 to 65535, got 65536/,
    ],
    [
      'an option that does not exist',
      () => startDashboard(root, { prot: 1 } as object),
      /no option "prot"; did you mean "port"/,
    ],
  ])('refuses %s', async (_, start, message) => {
    await expect(start()).rejects.toThrow(message);
  });

  if (isFull)
    it('leaves nothing behind: the process ends by itself', async () => {
      const { output, ended } = await child('dashboard-closing.ts', [root]);
      expect(await ended, output()).toBe(0);
      expect(output()).toContain('closed');
    });

  it.skipIf(process.platform === 'win32')('leaves no nvidia-smi behind that hangs', async () => {
    const bin = path.join(dir, 'bin');
    const pid = path.join(dir, 'pid');
    await fs.outputFile(
      path.join(bin, 'nvidia-smi'),
      `#!/bin/sh\necho $$ > ${pid}\nexec sleep 300\n`,
      { mode: 0o755 },
    );
    const { output, ended } = await child('dashboard-closing.ts', [root], {
      PATH: `${bin}:${process.env.PATH}`,
    });
    expect(await ended, output()).toBe(0);
    const gone = () => {
      try {
        process.kill(Number(fs.readFileSync(pid, 'utf8')), 0);
        return false;
      } catch {
        return true;
      }
    };
    await vi.waitFor(() => expect(gone()).toBe(true), 5000);
  });
});

describe('who may ask', () => {
  const port = () => new URL(url).port;

  it.each([
    ['127.0.0.1', 200],
    ['localhost', 200],
    ['LOCALHOST:8080', 200], // a tunnel's other end
    ['[::1]:8080', 200],
    ['127.0.0.1.nip.io', 403],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['evil.example:80@localhost', 403],
    ['localhost:80:80', 403],
    ['127.0.0.2', 403],
  ])('the host %s: %i', async (host, status) => {
    for (const page of ['/', '/news?', '/compare'].slice(0, status === 200 ? 1 : 3)) {
      expect((await ask(url, page, { headers: { host } })).status).toBe(status);
    }
  });

  it('a request without a host is refused', async () => {
    const answer = (request: string) =>
      new Promise<string>((resolve) => {
        let text = '';
        const socket = net.connect(Number(port()), '127.0.0.1', () => socket.write(request));
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text));
      });
    expect(await answer('GET /news HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 403 /);
    expect(await answer('GET /news HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 /,
    );
    expect(
      await answer(
        'GET http://evil.example/news HTTP/1.1\r\nHost: localhost\r\n' +
          `Authorization: ${tokenHeader(url).authorization}\r\nConnection: close\r\n\r\n`,
      ),
    ).toMatch(/^HTTP\/1.1 404 /);
  });

  it.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'])(
    '%s is refused',
    async (method) => {
      expect(await ask(url, '/', { method })).toMatchObject({
        status: 405,
        headers: { allow: 'GET' },
      });
    },
  );

  it("another site's page takes nothing, but may lead here", async () => {
    const from = (site: string, mode: string, dest: string) => ({
      headers: {
        host: `127.0.0.1:${port()}`,
        'sec-fetch-site': site,
        'sec-fetch-mode': mode,
        'sec-fetch-dest': dest,
      },
    });
    expect((await ask(url, '/', from('cross-site', 'navigate', 'document'))).status).toBe(200);
    expect((await ask(url, '/', from('cross-site', 'navigate', 'iframe'))).status).toBe(403);
    for (const page of [
      '/',
      '/news',
      '/compare?run=lenet',
      '/files/lenet/config.json',
      '/page.js',
    ]) {
      expect((await ask(url, page, from('cross-site', 'no-cors', 'image'))).status).toBe(403);
      expect((await ask(url, page, from('same-site', 'cors', 'empty'))).status).toBe(403); // another port of this machine
    }
    expect(
      (await ask(url, '/files/lenet/config.json', from('cross-site', 'navigate', 'document')))
        .status,
    ).toBe(403);
    expect(
      (await ask(url, '/compare?run=lenet', from('same-origin', 'cors', 'empty'))).status,
    ).toBe(200);
  });

  it('every answer has the headers that keep it here, and none lets another site read', async () => {
    for (const page of ['/', '/page.js', '/compare', '/files/lenet/config.json', '/nothing']) {
      const { headers } = await ask(url, page, { headers: { origin: 'http://evil.example' } });
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-frame-options': 'DENY',
      });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    const { headers, body } = await ask(url, '/');
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(body).not.toMatch(/<script>|<style|\sstyle=|\son\w+=|https?:/);
  });

  it.each([
    ['/nothing', 404],
    ['/page.js/more', 404],
    ['/%', 400],
    ['/%ff', 400],
    [`/${'a'.repeat(12_000)}`, 404],
    [`/${'a'.repeat(20_000)}`, 431],
    ['/chart?metric=loss&width=99999', 400],
    ['/chart?metric=__proto__', 400],
    ['/chart', 400],
    [
      `/compare?${'run=a&'.repeat(2)}${Array.from({ length: 25 }, (_, i) => `run=${i}`).join('&')}`,
      400,
    ],
    ['/compare?run=nowhere', 200],
    ['/constructor', 404],
    ['/__proto__', 404],
  ])('%s: %i', async (page, status) => {
    expect((await ask(url, page)).status).toBe(status);
  });

  it('lets no more pages listen than it can serve, and forgets those that left', async () => {
    const open = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const iterator = news(url);
        await iterator.next();
        return iterator;
      }),
    );
    expect((await ask(url, '/news')).status).toBe(503);
    await Promise.all(open.map((iterator) => iterator.return(undefined)));
    await vi.waitFor(async () => expect((await heard(url)).whole).toBe(true), 5000);
  });
});

describe('the token', () => {
  const token = () => new URL(url).searchParams.get('token') as string;
  const without = (page: string, headers: Record<string, string> = {}) =>
    ask(url, page, { headers: { authorization: '', ...headers } });

  it('is another one each time, unless it is given', async () => {
    const two = [await startDashboard(root, { port: 0 }), await startDashboard(root, { port: 0 })];
    const tokens = two.map((one) => new URL(one.url).searchParams.get('token'));
    expect(new Set([...tokens, token()]).size).toBe(3);
    await Promise.all(two.map((one) => one.close()));
    const given = await startDashboard(root, { port: 0, token: 'a-long-enough-token' });
    expect(given.url).toMatch(/\/\?token=a-long-enough-token$/);
    await given.close();
    for (const wrong of ['', 'short', 'with; a=semicolon and spaces', 'x'.repeat(15)])
      await expect(startDashboard(root, { port: 0, token: wrong })).rejects.toThrow(/"token"/);
  });

  it.each(['/news', '/page.js', '/compare?run=lenet', '/files/lenet/config.json', '/nothing'])(
    'without it, %s is refused',
    async (page) => {
      const half = token().slice(0, -1);
      const wrong: Record<string, string>[] = [
        {},
        { authorization: `Bearer ${half}` },
        { cookie: `deepend-1=${token()}` },
      ];
      for (const headers of wrong) expect((await without(page, headers)).status).toBe(401);
      expect((await without(`${page}${page.includes('?') ? '&' : '?'}token=${half}`)).status).toBe(
        401,
      );
    },
  );

  it('without it, the page only asks for it, and the answer names neither runs nor token', async () => {
    for (const page of ['/', '/?token=wrong', '/?token=']) {
      const { status, body, headers } = await without(page);
      expect(status).toBe(401);
      expect(body).toContain('name="token"');
      expect(body).not.toMatch(/lenet|<script/);
      expect(body).not.toContain(root);
      expect(body).not.toContain(token());
      expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer' });
      expect(headers['set-cookie']).toBeUndefined();
    }
  });

  it('is kept in a cookie and leaves the address', async () => {
    const host = `localhost:${new URL(url).port}`;
    const { status, headers } = await without(`/?token=${token()}`, { host });
    expect([status, headers.location]).toEqual([303, './']);
    const [cookie = ''] = headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^deepend-\d+=[0-9a-f]{48}; Path=\/; HttpOnly; SameSite=Lax$/);
    const [own = ''] = cookie.split(';');
    for (const page of ['/', '/page.js', '/files/lenet/config.json'])
      expect((await without(page, { host, cookie: `a=b; ${own}; c=d` })).status).toBe(200);
  });
});

describe('which files it gives', () => {
  const files = () => path.join(root, 'lenet');

  beforeAll(async () => {
    await fs.writeFile(path.join(dir, 'secret.png'), SECRET);
    await fs.writeFile(path.join(dir, 'config.json'), JSON.stringify({ model: SECRET }));
    await fs.outputFile(path.join(dir, 'runs-too', 'secret.png'), SECRET); // begins like the root, and is another
    await fs.writeFile(path.join(files(), 'curves.png'), 'a png');
    await fs.writeFile(
      path.join(files(), 'curves.svg'),
      '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    );
    await fs.writeFile(path.join(files(), 'report.html'), '<p>report</p>');
    await fs.writeFile(path.join(files(), 'empty.png'), '');
    await fs.outputFile(path.join(files(), 'model', 'weights.bin'), SECRET);
    await fs.outputFile(path.join(files(), 'checkpoints', 'step-00000001.ckpt'), SECRET);
    for (const name of [
      '.hidden.png',
      'notes.txt',
      'config.json.part',
      'curves.png.html',
      'key.pem',
    ])
      await fs.writeFile(path.join(files(), name), SECRET);
    await fs.ensureDir(path.join(files(), 'folder.png'));
    await fs.symlink(path.join(dir, 'secret.png'), path.join(files(), 'link.png'));
    await fs.symlink(dir, path.join(root, 'out'));
    await fs.symlink('../../secret.png', path.join(files(), 'relative.png'));
    await fs.symlink('loop.png', path.join(files(), 'loop.png'));
    await fs.symlink('curves.png', path.join(files(), 'inside.png'));
  });

  it.each([
    ['/files/lenet/config.json', 'application/json'],
    ['/files/lenet/history.jsonl', 'text/plain; charset=utf-8'],
    ['/files/lenet/curves.png', 'image/png'],
    ['/files/lenet/curves.png?at=12', 'image/png'],
    ['/files/%6cenet/curves.png', 'image/png'],
    ['/files/lenet/empty.png', 'image/png'],
    ['/files/lenet/inside.png', 'image/png'], // a link that stays inside
  ])('%s', async (page, type) => {
    expect(await ask(url, page)).toMatchObject({ status: 200, headers: { 'content-type': type } });
  });

  it.each([
    '/files/../secret.png',
    '/files/lenet/../../secret.png',
    '/files/%2e%2e/secret.png',
    '/files/..%2fsecret.png',
    '/files/..%5csecret.png',
    '/files/lenet/%2e%2e/%2e%2e/secret.png',
    '/files/lenet/..%2f..%2fsecret.png',
    '/files/../runs-too/secret.png',
    '/files/../config.json',
    '/files//etc/passwd',
    '/files/%2fetc%2fpasswd',
    '/files/%252e%252e/secret.png',
    '/files/lenet//curves.png/../../../secret.png',
    '/files/lenet/link.png',
    '/files/lenet/relative.png',
    '/files/lenet/loop.png',
    '/files/out/secret.png',
    '/files/out/config.json',
    '/files/lenet/link.png%00.png',
    '/files/lenet/%00curves.png',
    '/files/lenet/curves.png%00',
    '/files/lenet/net/weights.bin',
    '/files/lenet/checkpoints/step-00000001.ckpt',
    '/files/lenet/.hidden.png',
    '/files/lenet/notes.txt',
    '/files/lenet/config.json.part',
    '/files/lenet/curves.png.html',
    '/files/lenet/key.pem',
    '/files/lenet/folder.png',
    '/files/lenet/folder.png/',
    '/files/lenet',
    '/files/',
    '/files',
    '/files/lenet/nothing.png',
    '/files/./lenet/curves.png',
    `/files/${'a/'.repeat(2000)}x.png`,
    `/files/${'../'.repeat(200)}${'secret.png'}`,
    `/files/${'a'.repeat(3000)}.png`,
  ])('not %s', async (page) => {
    const { status, body } = await ask(url, page);
    expect(status).toBe(404);
    expect(body).not.toContain(SECRET);
  });

  it.skipIf(process.platform !== 'linux')('closes each file when a client leaves', async () => {
    await fs.writeFile(path.join(files(), 'large.png'), Buffer.alloc(4 * 1024 * 1024));
    const isOpen = async () => {
      const names = await fs.readdir('/proc/self/fd');
      const links = names.map((name) => fs.readlink(`/proc/self/fd/${name}`).catch(() => ''));
      return (await Promise.all(links)).some((link) => link.endsWith('large.png'));
    };
    const leave = (afterMs: number) =>
      new Promise<void>((resolve) => {
        const asked = http.get(new URL('files/lenet/large.png', url), {
          agent: false,
          headers: tokenHeader(url),
        });
        asked.on('error', () => {}).on('close', resolve);
        asked.on('response', (response) => response.on('error', () => {}).pause());
        setTimeout(() => asked.destroy(), afterMs);
      });
    for (let i = 0; i < 20; i++)
      await Promise.all(Array.from({ length: 15 }, (_, at) => leave(at / 2)));
    await vi.waitFor(async () => expect(await isOpen()).toBe(false), 5000);
  });

  it('an SVG and a report run apart from the dashboard', async () => {
    const svg = await ask(url, '/files/lenet/curves.svg');
    expect(svg.headers).toMatchObject({
      'content-type': 'image/svg+xml',
      'content-security-policy': expect.stringMatching(/default-src 'none'.*; sandbox$/),
    });
    const report = await ask(url, '/files/lenet/report.html');
    expect(report.headers['content-security-policy']).toMatch(
      /default-src 'none'.*; sandbox allow-scripts$/,
    );
  });

  it.skipIf(process.platform === 'win32')(
    'a run whose files are links that lead out, or pipes, tells nothing and holds nobody up',
    async () => {
      const run = path.join(root, 'linked');
      await fs.ensureDir(run);
      await fs.symlink(path.join(dir, 'config.json'), path.join(run, 'config.json'));
      execFileSync('mkfifo', [path.join(run, 'history.jsonl'), path.join(run, 'pipe.png')]);
      const told = await heard(url, ({ runs }) =>
        runs.some(({ id }: { id: string }) => id === 'linked'),
      );
      expect(told.runs.find(({ id }: { id: string }) => id === 'linked')).toMatchObject({
        model: null,
        epoch: 0,
        loss: null,
      });
      expect(JSON.stringify(told)).not.toContain(SECRET);
      expect((await ask(url, '/compare?run=linked')).body).not.toContain(SECRET);
      expect((await ask(url, '/files/linked/pipe.png')).status).toBe(404);
      await fs.remove(run);
    },
  );
});

describe('deepend dashboard', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
  });

  it('prints its address, serves until Ctrl-C, and ends well', async () => {
    const { started, output, ended } = await child('dashboard-run.ts', [
      'dashboard',
      root,
      '--port',
      '0',
    ]);
    await vi.waitFor(() => expect(output()).toMatch(/Ctrl-C to stop\nhttp:\/\/127\S+\n$/), {
      timeout: 30_000,
      interval: 50,
    });
    const [own = ''] = /http:\/\/127\.0\.0\.1:\d+\/\?token=\w+/.exec(output()) ?? [];
    expect((await ask(own, '/')).body).toContain('<h2 id="runs">Runs</h2>');
    const listening = news(own);
    await listening.next(); // an open page does not hold it up
    started.kill('SIGINT');
    expect(await ended, output()).toBe(0);
    await listening.return(undefined);
    expect(output().trim().split('\n')).toHaveLength(2);
  });

  if (isFull)
    it('prints its address for machines', async () => {
      const { started, output, ended } = await child('dashboard-run.ts', [
        'dashboard',
        root,
        '--port',
        '0',
        '--json',
      ]);
      await vi.waitFor(() => expect(output()).toContain('\n'), { timeout: 30_000, interval: 50 });
      expect(JSON.parse(output())).toEqual({ url: expect.stringMatching(/^http:/), folder: root });
      started.kill('SIGTERM');
      expect(await ended).toBe(0);
    });

  it.each([
    [
      'a folder that is not there',
      ['nowhere/at/all'],
      /nowhere\/at\/all: expected a folder of runs/,
    ],
    [
      'a port that is none',
      ['--port', '6060.5'],
      /argument '6060.5' is invalid. expected an integer from 0 to 65535/,
    ],
    ['no port', ['--port', ''], /expected an integer from 0 to 65535/],
  ])('says in one line what is wrong: %s', async (_, args, message) => {
    const err = vi.spyOn(console, 'error').mockImplementation(() => {});
    await main(['node', 'deepend', 'dashboard', ...args]);
    expect(process.exitCode).toBe(1);
    expect(err.mock.calls).toEqual([[expect.stringMatching(message)]]);
    expect(String(err.mock.calls[0])).not.toContain('\n');
  });
});
