/** Files that grow while a run goes on. */
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * A file with this content in place of what was there, at once; its folder is made where it is
 * missing.
 * @throws Error that says what to do when the file cannot be written: a run that cannot be written
 *   down should not begin
 */
export async function begin(
  where: string,
  file: string,
  content: string | Uint8Array,
): Promise<void> {
  const part = `${file}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(part, content);
    await rename(part, file);
  } catch (cause) {
    await rm(part, { force: true }).catch(() => {}); // where it could not be written it need not go
    throw cannotWrite(where, file, cause);
  }
}

/**
 * Adds to a file in one write, so that a process that is killed leaves all of it or nothing.
 * @throws Error that says what to do when the file cannot be written
 */
export async function append(
  where: string,
  file: string,
  content: string | Uint8Array,
): Promise<void> {
  try {
    const handle = await open(file, 'a');
    await handle.appendFile(content).finally(() => handle.close());
  } catch (cause) {
    throw cannotWrite(where, file, cause);
  }
}

function cannotWrite(where: string, file: string, cause: unknown): Error {
  return new Error(
    `${where}: cannot write ${file}: ${(cause as Error).message}; free the disk or name another place`,
    { cause },
  );
}
