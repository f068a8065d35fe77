import { randomUUID } from 'node:crypto';
import path from 'node:path';
import fs from 'fs-extra';

/**
 * Writes `file`, making its folder, so that a reader sees the old content or the whole new one and
 * never a part.
 */
export async function writeWhole(file: string, content: string | Buffer): Promise<void> {
  const beside = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}.part`);
  try {
    await fs.outputFile(beside, content);
    await fs.move(beside, file, { overwrite: true });
  } catch (error) {
    await fs.remove(beside).catch(() => {}); // where it could not be written it need not go
    throw new Error(`[plot] ${file}: cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
