/** The routes of the dashboard's server. */
import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { figureStyle, hoverScript } from '@deepend/plot';
import { script, style } from '../generated/page';
import { drawMetric, isMetric } from './charts';
import { compareSettings } from './compare';
import { openInside } from './confine';
import { findKind, listPictures } from './files';
import type { LiveRun } from './live-run';
import { isSearchChart } from './live-search';
import type { Machine } from './machine';
import { ICON, renderPage } from './page';
import { type Comparison, type LoadSample, MOST_CHOSEN, type News } from './types';
import type { Watcher } from './watcher';

const MAX_LISTENERS = 64; // open pages
const MAX_UNSENT = 4 * 1024 * 1024; // bytes; a slower page is disconnected, and reconnects
const MIN_WIDTH = 240; // pixels of a chart
const MAX_WIDTH = 1200;

/** The state of one dashboard. */
export interface Dashboarding {
  /** A real path. */
  readonly root: string;
  /** As the user named it. */
  readonly folder: string;
  /** What a request must know. */
  readonly token: string;
  readonly watcher: Watcher;
  readonly machine: Machine;
  /** Open pages, which receive news. */
  readonly listeners: Set<ServerResponse>;
}

export interface Asked {
  /** The decoded parts of the path. */
  readonly names: readonly string[];
  readonly query: URLSearchParams;
}

/** Why a request is refused, and the HTTP status. */
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

/** By the first part of the path. */
export const ROUTES: Readonly<Record<string, Route>> = {
  '': text('text/html; charset=utf-8', ({ folder }) => renderPage(folder)),
  'page.css': text('text/css; charset=utf-8', () => `${style}\n${figureStyle}`),
  'page.js': text('text/javascript; charset=utf-8', () => `${hoverScript}\n${script}`),
  'icon.svg': text('image/svg+xml', () => ICON),
  news: sendNews,
  chart: async (response, { query }, own) => {
    const metric = query.get('metric');
    const width = widthOf(query);
    if (!isMetric(metric)) throw new Refusal(400, 'there is no such metric');
    const runs = (await chosen(query, own)).map(({ name, history }) => ({ name, history }));
    send(response, 'text/html; charset=utf-8', drawMetric(runs, { metric, width }));
  },
  search: async (response, { query }, { watcher }) => {
    const kind = query.get('kind');
    const width = widthOf(query);
    if (!isSearchChart(kind)) throw new Refusal(400, 'there is no such chart');
    await watcher.refreshIfOld();
    const search = watcher.search(query.get('search') ?? '');
    if (!search) throw new Refusal(404, 'there is no such search');
    send(response, 'text/html; charset=utf-8', search.draw(kind, width));
  },
  compare: async (response, { query }, own) => {
    const runs = await chosen(query, own);
    const pictures = await Promise.all(runs.map(({ id }) => listPictures(own.root, id)));
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

/** The width of a chart in pixels. */
function widthOf(query: URLSearchParams): number {
  const width = Number(query.get('width') ?? 560);
  if (width >= MIN_WIDTH && width <= MAX_WIDTH) return Math.round(width);
  throw new Refusal(400, `a chart is ${MIN_WIDTH} to ${MAX_WIDTH} pixels wide`);
}

/** The runs that a request names, without those that were deleted. */
async function chosen(query: URLSearchParams, { watcher }: Dashboarding): Promise<LiveRun[]> {
  const ids = [...new Set(query.getAll('run'))];
  if (ids.length > MOST_CHOSEN) throw new Refusal(400, `at most ${MOST_CHOSEN} runs are compared`);
  await watcher.refreshIfOld();
  return ids.flatMap((id) => watcher.run(id) ?? []);
}

/** Server-sent events: `runs`, first all and then changes, and `load`, a sample a second. */
async function sendNews(
  response: ServerResponse,
  _: Asked,
  { watcher, machine, listeners }: Dashboarding,
): Promise<void> {
  if (listeners.size >= MAX_LISTENERS) throw new Refusal(503, 'too many pages are open');
  listeners.add(response);
  const ends: (() => void)[] = [() => listeners.delete(response)];
  response.on('close', () => {
    for (const end of ends) end();
  });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 2000\n\n');
  const emit = (
    event: 'runs' | 'load',
    data: News | { samples: readonly LoadSample[]; whole: boolean },
  ) => {
    if (response.writableLength > MAX_UNSENT) response.destroy();
    else if (!response.destroyed)
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  await watcher.refreshIfOld();
  if (response.destroyed) return; // the page was closed in the meantime
  ends.push(watcher.listen((news) => emit('runs', news)));
  ends.push(machine.listen((sample) => emit('load', { samples: [sample], whole: false })));
  emit('load', { samples: machine.samples, whole: true });
  emit('runs', watcher.all);
}

async function sendFile(
  response: ServerResponse,
  { names }: Asked,
  { root }: Dashboarding,
): Promise<void> {
  const place = names.slice(1);
  const kind = findKind(place.at(-1) ?? '');
  const file = kind && (await openInside(root, place.join('/')));
  if (!kind || !file) throw new Refusal(404, 'there is no such file');
  await sendHandle(response, file, kind);
}

/** Sends a file as it was when it was opened, even if it grows in the meantime. */
async function sendHandle(
  response: ServerResponse,
  file: FileHandle,
  { type, policy }: { type: string; policy?: string },
): Promise<void> {
  try {
    const { size } = await file.stat();
    response.writeHead(200, {
      'content-type': type,
      'content-length': size,
      ...(policy && { 'content-security-policy': policy }),
    });
    if (size === 0) response.end();
    else await pipeline(file.createReadStream({ start: 0, end: size - 1 }), response);
  } catch {
    response.destroy(); // the client left, or the file cannot be read any more
  } finally {
    await file.close();
  }
}
