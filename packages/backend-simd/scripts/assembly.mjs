/** Reads the sources of the WebAssembly module. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Name → text of each file in assembly/. @param root the package's folder */
export async function readAssembly(root) {
  const folder = path.join(root, 'assembly');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')]),
    ),
  );
}
