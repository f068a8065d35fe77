/**
 * A terminal's screen, of any height: what is left to see of text with the escape codes that
 * redraw.
 */
export class Screen {
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  /** The lines that are there, without trailing blanks. */
  get lines(): string[] {
    return this.#lines.map((line) =>
      Array.from(line, (character) => character ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  feed(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a screen obeys
    for (const [token, count, command] of text.matchAll(/\u001b\[\??([\d;]*)([A-Za-z])|[\s\S]/gu)) {
      if (command) this.#obey(command, Number.parseInt(count || '', 10));
      else this.#put(token);
    }
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') {
      this.#row++;
      this.#column = 0; // a terminal's driver makes \r\n of it
      this.#lines[this.#row] ??= [];
    } else {
      const line = this.#lines[this.#row] as string[];
      line[this.#column++] = character;
    }
  }

  #obey(command: string, count: number): void {
    const line = this.#lines[this.#row] as string[];
    if (command === 'A') this.#row = Math.max(0, this.#row - (count || 1));
    else if (command === 'G') this.#column = (count || 1) - 1;
    else if (command === 'K') line.length = Math.min(line.length, this.#column);
    else if (command === 'J') {
      line.length = Math.min(line.length, this.#column);
      this.#lines.length = this.#row + 1;
    } else if (!'mhl'.includes(command))
      throw new Error(`the screen does not know the escape code ${command}`);
  }
}
