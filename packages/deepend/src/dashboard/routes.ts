/** What can be asked of the dashboard, by path. */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { figureStyle, hoverScript } from '@deepend/plot';
import { script, style } from '../generated/page';
import { drawMetric, isMetric } from './charts';
import { compareSettings } from './compare';
import { openInside } from './confine';
import { kindOf, picturesOf } from './files';
import type { LiveRun } from './live-run';
import type { Machine } from './machine';
import { ICON, pageOf } from './page';
import { type Comparison, type LoadSample, MOST_CHOSEN, type News } from './types';
import type { Watcher } from './watcher';

const MOST_LISTENERS = 64; // pages that are open
const MOST_WAITING = 4 * 1024 * 1024; // bytes that a page has not taken: it comes again
const [NARROWEST, WIDEST] = [240, 1200]; // pixels of a chart

/** What the dashboard of one folder works with. */
export interface Dashboarding {
  /** A real path. */
  readonly root: string;
  /** As it was named. */
  readonly folder: string;
  readonly watcher: Watcher;
  readonly machine: Machine;
  /** Pages that take news. */
  readonly listeners: Set<ServerResponse>;
}

export interface Asked {
  /** Names of the path, decoded. */
  readonly names: readonly string[];
  readonly query: URLSearchParams;
}

/** What is wrong with a request, and its status. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Route = (response: ServerResponse, asked: Asked, own: Dashboarding) => void | Promise<void>;

const text =
  (type: string, content: (own: Dashboarding) => string): Route =>
  (response, _, own) =>
    send(response, type, content(own));

/** By the first name of the path. */
export const ROUTES: Readonly<Record<string, Route>> = {
  '': text('text/html; charset=utf-8', ({ folder }) => pageOf(folder)),
  'page.css': text('text/css; charset=utf-8', () => `${style}\n${figureStyle}`),
  'page.js': text('text/javascript; charset=utf-8', () => `${hoverScript}\n${script}`),
  'icon.svg': text('image/svg+xml', () => ICON),
  news: sendNews,
  chart: async (response, { query }, own) => {
    const [metric, width] = [query.get('metric'), Number(query.get('width') ?? 560)];
    if (!isMetric(metric)) throw new Refusal(400, 'there is no such metric');
    if (!(width >= NARROWEST && width <= WIDEST))
      throw new Refusal(400, `a chart is ${NARROWEST} to ${WIDEST} pixels wide`);
    const runs = (await chosen(query, own)).map(({ name, history }) => ({ name, history }));
    send(
      response,
      'text/html; charset=utf-8',
      drawMetric(runs, { metric, width: Math.round(width) }),
    );
  },
  compare: async (response, { query }, own) => {
    const runs = await chosen(query, own);
    const pictures = await Promise.all(runs.map(({ id }) => picturesOf(own.root, id)));
    const found: Comparison = {
      ids: runs.map(({ id }) => id),
      ...compareSettings(runs.map(({ config }) => config)),
      pictures,
    };
    send(response, 'application/json', JSON.stringify(found));
  },
  files: sendFile,
};

function send(response: ServerResponse, type: string, content: string): void {
  response.writeHead(200, { 'content-type': type });
  response.end(content);
}

/** The runs that a request names; those that are gone are left out. */
async function chosen(query: URLSearchParams, { watcher }: Dashboarding): Promise<LiveRun[]> {
  const ids = [...new Set(query.getAll('run'))];
  if (ids.length > MOST_CHOSEN) throw new Refusal(400, `at most ${MOST_CHOSEN} runs are compared`);
  await watcher.refreshIfOld();
  return ids.flatMap((id) => watcher.run(id) ?? []);
}

/**
 * Server-sent events: `runs`, all at first and then what changes, and `load`, a sample a second.
 */
async function sendNews(
  response: ServerResponse,
  _: Asked,
  { watcher, machine, listeners }: Dashboarding,
): Promise<void> {
  if (listeners.size >= MOST_LISTENERS) throw new Refusal(503, 'too many pages are open');
  listeners.add(response);
  const ends: (() => void)[] = [() => listeners.delete(response)];
  response.on('close', () => {
    for (const end of ends) end();
  });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 2000\n\n');
  const tell = (
    event: 'runs' | 'load',
    data: News | { samples: readonly LoadSample[]; whole: boolean },
  ) => {
    if (response.writableLength > MOST_WAITING) response.destroy();
    else if (!response.destroyed)
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  await watcher.refreshIfOld();
  if (response.destroyed) return; // the page was closed meanwhile
  ends.push(watcher.listen((news) => tell('runs', news)));
  ends.push(machine.listen((sample) => tell('load', { samples: [sample], whole: false })));
  tell('load', { samples: machine.samples, whole: true });
  tell('runs', watcher.all);
}

async function sendFile(
  response: ServerResponse,
  { names }: Asked,
  { root }: Dashboarding,
): Promise<void> {
  const place = names.slice(1);
  const kind = kindOf(place.at(-1) ?? '');
  const file = kind && (await openInside(root, place.join('/')));
  if (!kind || !file) throw new Refusal(404, 'there is no such file');
  await sendHandle(response, file, kind);
}

/** What the file had when it was opened: one that grows meanwhile is sent as it was. */
async function sendHandle(
  response: ServerResponse,
  file: FileHandle,
  { type, policy }: { type: string; policy?: string },
): Promise<void> {
  const { size } = await file.stat();
  response.writeHead(200, {
    'content-type': type,
    'content-length': size,
    ...(policy && { 'content-security-policy': policy }),
  });
  if (size === 0) {
    response.end();
    await file.close();
    return;
  }
  const stream = createReadStream('', { fd: file, end: size - 1 });
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}
