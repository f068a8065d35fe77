/** The files that the dashboard serves: a run's pictures, and its own files by their names. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { realInside } from './confine';
import type { Picture } from './types';

const MAX_PICTURES = 24; // of a run

/** An SVG that is opened as a page runs no script and cannot reach the dashboard. */
const SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
/** A report's script shows values under the pointer; the sandbox keeps it from the dashboard. */
const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
  'img-src data:; sandbox allow-scripts';

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

/** How a file of this name is served; undefined if it is not served. */
export function findKind(name: string): FileKind | undefined {
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name];
  const extension = path.posix.extname(name).toLowerCase();
  return !name.startsWith('.') && Object.hasOwn(PICTURES, extension)
    ? PICTURES[extension]
    : undefined;
}

/**
 * The pictures of a run's folder by their names, with addresses that change when they do.
 * @param root a real path
 */
export async function listPictures(root: string, id: string): Promise<Picture[]> {
  const folder = await realInside(root, id);
  if (folder === undefined) return [];
  const names = await readdir(folder).catch(() => []);
  const images = names.filter((name) => findKind(name)?.type.startsWith('image/')).sort();
  // If a picture exists as SVG and PNG, show the SVG, which is sharp at any size.
  const pictures = images
    .filter((name) => !/\.png$/i.test(name) || !images.includes(name.replace(/\.png$/i, '.svg')))
    .slice(0, MAX_PICTURES);
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
