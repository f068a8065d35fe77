/** What byte-level BPE does before it merges: GPT-2's words, and a character for each byte. */

/** GPT-2's words: contractions, letters, digits and other signs, each with the space before it. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Bytes that stand for themselves: printable, and no blanks. */
const isPrintable = (byte: number) =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

/** The character of each byte. Those that are not printable get characters from U+0100 on. */
const CHARACTERS: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : next++),
  );
})();
const BYTES: ReadonlyMap<string, number> = new Map(CHARACTERS.map((char, byte) => [char, byte]));

/** All characters that stand for bytes, in the order of their code points. */
export const ALPHABET: readonly string[] = [...CHARACTERS].sort();

/** The words of a string, each as the characters of its UTF-8 bytes. */
export const splitBytes = (text: string): string[] => (text.match(WORDS) ?? []).map(toCharacters);

/** A string as the characters of its UTF-8 bytes. */
export const toCharacters = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => CHARACTERS[byte]).join('');

/** The string whose bytes the characters stand for; bytes that are not UTF-8 become U+FFFD. */
export function fromCharacters(characters: string): string {
  const bytes = Array.from(characters, (char) => BYTES.get(char)).filter(
    (byte) => byte !== undefined,
  );
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
