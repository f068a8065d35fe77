/** Letters that the bundled font lacks: which of them some font of this machine has. */

interface Drawn {
  width: number;
  height: number;
  /** The pixels of its four edges. */
  edge: string;
}

const known = new Map<string, boolean>();
const told = new Set<string>();

/** Draws one character as the PNG's renderer would. */
async function drawn(character: string): Promise<Drawn> {
  const { default: sharp } = await import('sharp');
  const text = sharp({
    text: {
      text: character.replaceAll('&', '&amp;').replaceAll('<', '&lt;'),
      font: 'sans',
      dpi: 300,
    },
  });
  const { data, info } = await text
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const at = (x: number, y: number) => data[(y * width + x) * channels];
  const across = Array.from({ length: width }, (_, x) => [at(x, 0), at(x, height - 1)]);
  const down = Array.from({ length: height }, (_, y) => [at(0, y), at(width - 1, y)]);
  return { width, height, edge: [...across, ...down].join(' ') };
}

/**
 * Whether some font of this machine has the character. The renderer draws a framed code point in
 * place of one that none has: as for
 * a code point that never becomes a character, frame and size are the same.
 */
async function has(character: string): Promise<boolean> {
  const before = known.get(character);
  if (before !== undefined) return before;
  const never = (character.codePointAt(0) ?? 0) > 0xffff ? '\u{1fffe}' : '\ufdd0';
  try {
    const [one, frame] = await Promise.all([drawn(character), drawn(never)]);
    known.set(
      character,
      one.width !== frame.width || one.height !== frame.height || one.edge !== frame.edge,
    );
  } catch {
    known.set(character, true); // nothing to draw, as for a space or a mark: nothing that could be missing
  }
  return known.get(character) ?? true;
}

/**
 * Those of the characters that some font of this machine has; the others are named in a warning,
 * once a process.
 */
export async function systemLetters(characters: readonly string[]): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(characters.map(has));
  const lacking = characters.filter((character, i) => !answers[i] && !told.has(character));
  if (lacking.length > 0) {
    for (const character of lacking) told.add(character);
    process.emitWarning(
      `[plot] toPng: no font of this machine has ${lacking.slice(0, 20).join(' ')}${lacking.length > 20 ? ' …' : ''}; the figure shows code points in their place. ` +
        'Install a font that has them (Noto Sans CJK, Noto Color Emoji), or save as .svg or .html and look at it where they are',
    );
  }
  return new Set(characters.filter((_, i) => answers[i]));
}
