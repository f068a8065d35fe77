/** The files that the dashboard gives: a run's pictures, and its own files by their names. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { realInside } from './confine';
import type { Picture } from './types';

const MOST_PICTURES = 24; // of a run

/** What runs on an SVG's own page: nothing, nor does it reach this one. */
const SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
/**
 * A report has a script of its own for values under the pointer; it runs apart from this server's
 * pages.
 */
const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts";

const PICTURES: Readonly<Record<string, FileKind>> = {
  '.png': { type: 'image/png' },
  '.svg': { type: 'image/svg+xml', policy: SVG_POLICY },
};

const KNOWN: Readonly<Record<string, FileKind>> = {
  'config.json': { type: 'application/json' },
  'result.json': { type: 'application/json' },
  'history.jsonl': { type: 'text/plain; charset=utf-8' },
  'steps.jsonl': { type: 'text/plain; charset=utf-8' },
  'report.html': { type: 'text/html; charset=utf-8', policy: REPORT_POLICY },
};

export interface FileKind {
  readonly type: string;
  /** Its content security policy, where it is not the page's. */
  readonly policy?: string;
}

/** How a file of this name is given; undefined for what is not given at all. */
export function kindOf(name: string): FileKind | undefined {
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name];
  const extension = path.posix.extname(name).toLowerCase();
  return !name.startsWith('.') && Object.hasOwn(PICTURES, extension)
    ? PICTURES[extension]
    : undefined;
}

/**
 * The pictures of a run's folder by their names, with addresses that change when they do. @param
 * root a real path
 */
export async function picturesOf(root: string, id: string): Promise<Picture[]> {
  const folder = await realInside(root, id);
  if (folder === undefined) return [];
  const names = await readdir(folder).catch(() => []);
  const images = names.filter((name) => kindOf(name)?.type.startsWith('image/')).sort();
  // Of a picture that is there both ways, the one that is sharp at any size.
  const pictures = images
    .filter((name) => !/\.png$/i.test(name) || !images.includes(name.replace(/\.png$/i, '.svg')))
    .slice(0, MOST_PICTURES);
  const found = await Promise.all(
    pictures.map(async (name) => {
      const found = await stat(path.join(folder, name)).catch(() => undefined);
      const names = [...(id === '.' ? [] : id.split('/')), name].map(encodeURIComponent);
      return found?.isFile()
        ? { name, url: `files/${names.join('/')}?at=${Math.round(found.mtimeMs)}` }
        : undefined;
    }),
  );
  return found.flatMap((picture) => picture ?? []);
}
