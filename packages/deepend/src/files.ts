import fs from 'fs-extra';

/**
 * Writes `file` so that a reader sees the old content or the whole new one, and never a part.
 * @param where who writes, as the error's beginning
 */
export async function writeWhole(where: string, file: string, text: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await fs.writeFile(part, text);
    await fs.rename(part, file);
  } catch (cause) {
    await fs.remove(part).catch(() => {}); // where it could not be written it need not go
    const next = 'free the disk or name another folder';
    throw new Error(`${where}: cannot write ${file}: ${(cause as Error).message}; ${next}`, {
      cause,
    });
  }
}
