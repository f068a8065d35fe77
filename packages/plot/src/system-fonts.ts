/** Finds out which of the letters that the bundled font lacks a system font has. */

interface Rendered {
  width: number;
  height: number;
  /** The pixels along its four edges. */
  edge: string;
}

const known = new Map<string, boolean>();
const warned = new Set<string>();

/** Renders one character with the renderer that the PNG uses. */
async function render(character: string): Promise<Rendered> {
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
 * Whether a font of this machine has the character. The renderer draws a framed code point for a
 * character that no font has. So compare with a code point that Unicode will never assign: equal
 * size and frame mean that the character is missing too.
 */
async function hasCharacter(character: string): Promise<boolean> {
  const before = known.get(character);
  if (before !== undefined) return before;
  const unassigned = (character.codePointAt(0) ?? 0) > 0xffff ? '\u{1fffe}' : '\ufdd0';
  try {
    const [one, frame] = await Promise.all([render(character), render(unassigned)]);
    known.set(
      character,
      one.width !== frame.width || one.height !== frame.height || one.edge !== frame.edge,
    );
  } catch {
    known.set(character, true); // there is nothing to draw, as for a space, so nothing is missing
  }
  return known.get(character) ?? true;
}

const MOST_NAMED = 20;

/**
 * Returns those of the characters that a font of this machine has. Warns about the others, about
 * each once per process.
 */
export async function findSystemLetters(
  characters: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = await Promise.all(characters.map(hasCharacter));
  const missing = characters.filter((character, i) => !found[i] && !warned.has(character));
  if (missing.length > 0) {
    for (const character of missing) warned.add(character);
    const named =
      missing.slice(0, MOST_NAMED).join(' ') + (missing.length > MOST_NAMED ? ' …' : '');
    process.emitWarning(
      `[plot] toPng: no font of this machine has ${named}; the figure shows their code points. ` +
        'Install a font that has them (Noto Sans CJK, Noto Color Emoji), or save as .svg or ' +
        '.html ' +
        'and view it on a machine that has such a font',
    );
  }
  return new Set(characters.filter((_, i) => found[i]));
}
