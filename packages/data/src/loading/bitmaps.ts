/**
 * Decodes two formats that Pillow reads and sharp's prebuilt libvips does not: Windows bitmaps
 * (BMP, https://learn.microsoft.com/windows/win32/gdi/bitmap-storage) and Netpbm
 * (PBM, PGM and PPM, https://netpbm.sourceforge.net/doc/ppm.html).
 */
import type { Buffer } from 'node:buffer';

/** uint8 `[height, width, 3]`. */
interface Bitmap {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/**
 * Decodes a file that begins like a BMP or Netpbm file.
 * @returns undefined for a file that begins in another way
 * @throws Error that describes what is damaged or not supported
 */
export function decodeBitmap(file: Buffer): Bitmap | undefined {
  const start = file.toString('latin1', 0, 3);
  if (start.startsWith('BM') && file.length > 18 && DIB_BYTES.includes(file.readUInt32LE(14)))
    return decodeBmp(file);
  return /^P[1-6][\s#]$/.test(start) ? decodePnm(file) : undefined;
}

/** Lengths of the header's versions; the first is that of OS/2. */
const DIB_BYTES = [12, 40, 52, 56, 64, 108, 124];
const UNCOMPRESSED = 0;
const BITFIELDS = [3, 6];

interface BmpHeader {
  width: number;
  height: number;
  topDown: boolean;
  bitsPerPixel: number;
  /** RGB of each palette entry, for up to 8 bits per pixel. */
  palette: Uint8Array;
  /** Positions of red, green and blue in a pixel, for 16 and 32 bits per pixel. */
  masks: readonly [red: number, green: number, blue: number];
  offset: number;
}

function decodeBmp(file: Buffer): Bitmap {
  const header = readBmpHeader(file);
  const { width, height, topDown, bitsPerPixel, offset } = header;
  const rowBytes = 4 * Math.ceil((width * bitsPerPixel) / 32);
  if (width < 1 || height < 1 || offset + rowBytes * height > file.length)
    throw new Error(`a BMP of ${width} × ${height} that is truncated`);
  const pixels = new Uint8Array(3 * width * height);
  const toRgb = pixelReader(file, header);
  for (let y = 0; y < height; y++) {
    const row = offset + (topDown ? y : height - 1 - y) * rowBytes;
    for (let x = 0; x < width; x++) toRgb(row, x, pixels, 3 * (y * width + x));
  }
  return { pixels, height, width };
}

function readBmpHeader(file: Buffer): BmpHeader {
  const dibBytes = file.readUInt32LE(14);
  const isOs2 = dibBytes === 12;
  if (file.length < 14 + dibBytes) throw new Error('a BMP header that is truncated');
  const bitsPerPixel = file.readUInt16LE(isOs2 ? 24 : 28);
  const compression = isOs2 ? UNCOMPRESSED : file.readUInt32LE(30);
  const hasMasks = BITFIELDS.includes(compression);
  const supported = compression === UNCOMPRESSED ? [1, 4, 8, 16, 24, 32] : hasMasks ? [16, 32] : [];
  if (!supported.includes(bitsPerPixel))
    throw new Error(`a BMP of ${bitsPerPixel} bits and compression ${compression}`);
  const height = isOs2 ? file.readUInt16LE(20) : file.readInt32LE(22);
  return {
    width: isOs2 ? file.readUInt16LE(18) : file.readInt32LE(18),
    height: Math.abs(height),
    topDown: height < 0,
    bitsPerPixel,
    palette: readPalette(file, bitsPerPixel, isOs2),
    masks: hasMasks
      ? [file.readUInt32LE(54), file.readUInt32LE(58), file.readUInt32LE(62)]
      : bitsPerPixel === 16
        ? [0x7c00, 0x3e0, 0x1f]
        : [0xff0000, 0xff00, 0xff],
    offset: file.readUInt32LE(10),
  };
}

function readPalette(file: Buffer, bitsPerPixel: number, isOs2: boolean): Uint8Array {
  if (bitsPerPixel > 8) return new Uint8Array(0);
  const palette = new Uint8Array(3 * 256); // an index beyond the palette is black
  const start = 14 + file.readUInt32LE(14);
  const used = isOs2 ? 0 : file.readUInt32LE(46);
  const colors = Math.min(used || 256, 2 ** bitsPerPixel);
  const step = isOs2 ? 3 : 4;
  for (let color = 0; color < colors && start + step * color + 2 < file.length; color++) {
    const at = start + step * color;
    palette.set([file[at + 2], file[at + 1], file[at]] as number[], 3 * color);
  }
  return palette;
}

/** Returns a function that writes the RGB of the pixel `x` in the row that starts at a byte. */
function pixelReader(file: Buffer, { bitsPerPixel, palette, masks }: BmpHeader) {
  if (bitsPerPixel <= 8) {
    const perByte = 8 / bitsPerPixel;
    return (row: number, x: number, into: Uint8Array, at: number) => {
      const byte = file[row + Math.floor(x / perByte)] as number;
      const shift = 8 - bitsPerPixel * (1 + (x % perByte));
      const color = (byte >> shift) & (2 ** bitsPerPixel - 1);
      into.set(palette.subarray(3 * color, 3 * color + 3), at);
    };
  }
  if (bitsPerPixel === 24) {
    return (row: number, x: number, into: Uint8Array, at: number) => {
      const from = row + 3 * x;
      into[at] = file[from + 2] as number;
      into[at + 1] = file[from + 1] as number;
      into[at + 2] = file[from] as number;
    };
  }
  const channels = masks.map((mask) => {
    const unit = mask === 0 ? 1 : mask & -mask; // the lowest bit
    return { mask: mask >>> 0, unit: unit >>> 0, most: Math.max(1, (mask >>> 0) / (unit >>> 0)) };
  });
  return (row: number, x: number, into: Uint8Array, at: number) => {
    const from = row + (bitsPerPixel / 8) * x;
    const pixel = bitsPerPixel === 16 ? file.readUInt16LE(from) : file.readUInt32LE(from);
    channels.forEach(({ mask, unit, most }, channel) => {
      // As Pillow does: 5 bits become 8 by scaling, rounded down.
      into[at + channel] = Math.floor(((((pixel & mask) >>> 0) / unit) * 255) / most);
    });
  };
}

const NUMBER = /^(?:\s|#[^\n\r]*[\n\r])*(\d+)/;

function decodePnm(file: Buffer): Bitmap {
  const kind = (file[1] as number) - 0x30;
  const isBits = kind === 1 || kind === 4;
  const isText = kind <= 3;
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const { numbers, end } = readPnmHeader(file, isBits ? 2 : 3);
  const [width = 0, height = 0, most = 1] = numbers;
  if (width < 1 || height < 1 || most < 1 || most > 65535)
    throw new Error(`a Netpbm header of ${numbers.join(', ')}`);
  const count = width * height * channels;
  const bytesPerValue = most > 255 ? 2 : 1;
  const bytes = isBits && !isText ? Math.ceil(width / 8) * height : count * bytesPerValue;
  // Text has at least a digit for each value.
  if (end + (isText ? count : bytes) > file.length)
    throw new Error(`a Netpbm image of ${width} × ${height} that is truncated`);
  const values = isText
    ? readPnmText(file.toString('latin1', end), count, isBits)
    : isBits
      ? readPnmBits(file.subarray(end), width, height)
      : Float32Array.from({ length: count }, (_, i) =>
          bytesPerValue === 2 ? file.readUInt16BE(end + 2 * i) : (file[end + i] as number),
        );
  const pixels = new Uint8Array(3 * width * height);
  for (let i = 0; i < pixels.length; i++) {
    const value = values[channels === 3 ? i : Math.floor(i / 3)] as number;
    if (value > most) throw new Error(`a Netpbm value of ${value}, above ${most}`);
    pixels[i] = isBits ? 255 * (1 - value) : roundToEven((value / most) * 255);
  }
  return { pixels, height, width };
}

/** Rounds as Python does, which Pillow uses: a half goes to the even neighbor. */
function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

/** Reads `count` numbers after the two letters, among comments. One byte follows the last. */
function readPnmHeader(file: Buffer, count: number): { numbers: number[]; end: number } {
  const numbers: number[] = [];
  let end = 2;
  while (numbers.length < count) {
    const match = NUMBER.exec(file.toString('latin1', end, end + 4096));
    if (!match) throw new Error('a Netpbm header without its numbers');
    numbers.push(Number(match[1]));
    end += match[0].length;
  }
  return { numbers, end: end + 1 };
}

/** A file of text may have the bits of a PBM without spaces between them. */
function readPnmText(text: string, count: number, isBits: boolean): Float32Array {
  const found = text.replace(/#.*/g, '').match(isBits ? /[01]/g : /\d+/g) ?? [];
  if (found.length < count) throw new Error('a Netpbm image that is truncated');
  return Float32Array.from(found.slice(0, count), Number);
}

function readPnmBits(bytes: Uint8Array, width: number, height: number): Float32Array {
  const rowBytes = Math.ceil(width / 8);
  return Float32Array.from({ length: width * height }, (_, i) => {
    const x = i % width;
    const byte = bytes[Math.floor(i / width) * rowBytes + (x >> 3)] as number;
    return (byte >> (7 - (x & 7))) & 1;
  });
}
