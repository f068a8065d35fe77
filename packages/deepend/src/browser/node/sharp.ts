/** The part of sharp that draws images into figures: raw pixels become a PNG. */

interface Raw {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
  readonly kernel: string;
}

/** @throws Error for anything but raw pixels: decoding files needs Node.js */
export default function sharp(bytes: Uint8Array, { raw }: { raw?: Raw } = {}) {
  if (!raw) throw new Error('[deepend] reading and writing image files needs Node.js');
  let size: Size = { ...raw, kernel: 'nearest' };
  const image = {
    resize(to: Size) {
      size = to;
      return image;
    },
    png: () => image,
    async toBuffer() {
      const source = draw(raw.width, raw.height, (context) =>
        context.putImageData(toRgba(bytes, raw), 0, 0),
      );
      const scaled = draw(size.width, size.height, (context) => {
        context.imageSmoothingEnabled = size.kernel !== 'nearest';
        context.drawImage(source, 0, 0, size.width, size.height);
      });
      const png = new Uint8Array(await (await scaled.convertToBlob()).arrayBuffer());
      return { toString: () => btoa(String.fromCharCode(...png)) };
    },
  };
  return image;
}

type Context = OffscreenCanvasRenderingContext2D;

function draw(width: number, height: number, paint: (context: Context) => void): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  paint(canvas.getContext('2d') as Context);
  return canvas;
}

/** Gray, gray with alpha, RGB or RGBA, as four bytes a pixel. */
function toRgba(bytes: Uint8Array, { width, height, channels }: Raw): ImageData {
  const pixels = new ImageData(width, height);
  const isGray = channels < 3;
  for (let i = 0; i < width * height; i++) {
    const at = i * channels;
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = bytes[isGray ? at : at + c] ?? 0;
    pixels.data[4 * i + 3] = channels % 2 === 0 ? (bytes[at + channels - 1] ?? 255) : 255;
  }
  return pixels;
}
