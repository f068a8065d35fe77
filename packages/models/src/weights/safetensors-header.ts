/**
 * The header of a safetensors file (https://github.com/huggingface/safetensors#format), read by its
 * own parser instead of `JSON.parse`: it accepts only an object of tensors, so a hostile header is
 * rejected at its first wrong character, and it detects keys that occur twice, which `JSON.parse`
 * hides.
 */
import { formatValue } from '@deepend/core';

/** Bits of one number, by the format's names. */
export const DTYPE_BITS = {
  F64: 64,
  I64: 64,
  U64: 64,
  C64: 64,
  F32: 32,
  I32: 32,
  U32: 32,
  F16: 16,
  BF16: 16,
  I16: 16,
  U16: 16,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  I8: 8,
  U8: 8,
  BOOL: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
} as const;

export type SafetensorsDtype = keyof typeof DTYPE_BITS;

/** A tensor of a file, as the header describes it. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Offset of its first byte from the end of the header. */
  readonly begin: number;
  /** Offset of the first byte after it. */
  readonly end: number;
}

export interface SafetensorsHeader {
  /** The strings that the writer of the file added, such as `{ format: 'pt' }`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly tensors: readonly SafetensorsTensor[];
}

const DAMAGED = 'the file is damaged or is no safetensors file; get it again';
const MOST_SIZES = 64; // PyTorch's own limit to a tensor's dimensions

/**
 * Parses and checks a header: tensors of known types, which must cover exactly `dataBytes` bytes
 * without gaps or overlaps.
 * @param options.where beginning of each error: the function and the file
 * @throws Error that names the tensor, what was expected and what came
 */
export function parseHeader(
  text: string,
  { where, dataBytes }: { where: string; dataBytes: number },
): SafetensorsHeader {
  const { metadata, tensors } = new HeaderParser(text, where).read();
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkPlaces(tensors, { where, dataBytes });
  return { metadata: Object.fromEntries(metadata), tensors };
}

function checkPlaces(
  tensors: readonly SafetensorsTensor[],
  { where, dataBytes }: { where: string; dataBytes: number },
): void {
  let free = 0;
  for (const { name, dtype, shape, begin, end } of tensors) {
    const fail = (expected: string, got: string | number): never => {
      throw new Error(
        `${where}: tensor ${formatValue(name)}: expected ${expected}, got ${got}; ${DAMAGED}`,
      );
    };
    if (end < begin) fail(`data_offsets [begin, end] with begin ≤ end`, `[${begin}, ${end}]`);
    if (end > dataBytes)
      fail(`its data within the ${dataBytes} bytes after the header`, `bytes ${begin} to ${end}`);
    const bits = [...shape, DTYPE_BITS[dtype]].reduce(exactProduct, 1);
    if (Number.isNaN(bits)) fail('fewer than 2^53 bits', `shape ${formatValue(shape)}`);
    if (bits !== 8 * (end - begin))
      fail(`${bits / 8} bytes for ${dtype} of shape ${formatValue(shape)}`, end - begin);
    if (begin !== free)
      fail(`its data to begin at byte ${free}, where the data before it ends`, begin);
    free = end;
  }
  if (free === dataBytes) return;
  throw new Error(
    `${where}: expected ${free} bytes after the header, as its tensors say, got ` +
      `${dataBytes}; ${DAMAGED}`,
  );
}

/** The product, or NaN once it is too large to be exact; a later factor of 0 does not hide that. */
const exactProduct = (a: number, b: number) => (Number.isSafeInteger(a * b) ? a * b : Number.NaN);

class HeaderParser {
  readonly #text: string;
  readonly #where: string;
  #at = 0;
  #tensor: string | undefined;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  read() {
    if (this.#text[0] !== '{') this.#fail("'{' as its first character");
    const metadata = new Map<string, string>();
    const tensors: SafetensorsTensor[] = [];
    this.#object((key) => {
      if (key === '__metadata__')
        return this.#object((name) => void metadata.set(name, this.#string()));
      this.#tensor = key;
      tensors.push(this.#entry(key));
      this.#tensor = undefined;
    });
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('nothing after the last brace');
    return { metadata, tensors };
  }

  #entry(name: string): SafetensorsTensor {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#object((key) => {
      if (key === 'dtype') dtype = this.#string();
      else if (key === 'shape') shape = this.#integers(MOST_SIZES);
      else if (key === 'data_offsets') offsets = this.#integers(2);
      else this.#fail("'dtype', 'shape' and 'data_offsets'", formatValue(key));
    });
    if (dtype === undefined || !Object.hasOwn(DTYPE_BITS, dtype)) {
      return this.#fail(`a dtype of ${Object.keys(DTYPE_BITS).join(', ')}`, formatValue(dtype));
    }
    const [begin, end] = offsets ?? [];
    if (!shape) return this.#fail("a 'shape'", 'none');
    if (begin === undefined || end === undefined)
      return this.#fail("'data_offsets' of two numbers", formatValue(offsets));
    return { name, dtype: dtype as SafetensorsDtype, shape, begin, end };
  }

  /** Reads an object whose values `readValue` reads; a key may occur only once. */
  #object(readValue: (key: string) => void): void {
    this.#expect('{');
    if (this.#take('}')) return;
    const seen = new Set<string>();
    do {
      const key = this.#string();
      if (seen.has(key)) this.#fail('each name once', `${formatValue(key)} twice`);
      seen.add(key);
      this.#expect(':');
      readValue(key);
    } while (this.#take(','));
    this.#expect('}');
  }

  #integers(most: number): number[] {
    this.#expect('[');
    const values: number[] = [];
    if (this.#take(']')) return values;
    do {
      if (values.length === most) this.#fail(`at most ${most} numbers`, 'more');
      values.push(this.#integer());
    } while (this.#take(','));
    this.#expect(']');
    return values;
  }

  #integer(): number {
    this.#skipSpace();
    const [digits = ''] = /^(0|[1-9]\d*)/.exec(this.#text.slice(this.#at, this.#at + 20)) ?? [];
    const value = Number(digits);
    if (digits === '' || !Number.isSafeInteger(value)) this.#fail('an integer from 0 to 2^53 − 1');
    this.#at += digits.length;
    return value;
  }

  #string(): string {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') this.#fail('a string');
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== '"')
      end += this.#text[end] === '\\' ? 2 : 1;
    const literal = this.#text.slice(this.#at, end + 1);
    try {
      const value = JSON.parse(literal) as string;
      this.#at = end + 1;
      return value;
    } catch {
      return this.#fail('a string as JSON writes it', formatValue(literal));
    }
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.#fail(`'${character}'`);
  }

  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && ' \t\n\r'.includes(this.#text[this.#at] as string))
      this.#at++;
  }

  #fail(
    expected: string,
    got = this.#at < this.#text.length
      ? formatValue(this.#text.slice(this.#at, this.#at + 12))
      : 'its end',
  ): never {
    const place = this.#tensor === undefined ? '' : `tensor ${formatValue(this.#tensor)}: `;
    throw new Error(
      `${this.#where}: ${place}header, character ${this.#at}: expected ${expected}, got ` +
        `${got}; ${DAMAGED}`,
    );
  }
}
