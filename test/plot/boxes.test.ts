/** Boxes on images: their places, colours and words, and what is refused. */
import { showBoxes, showObjects } from '@deepend/plot';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';

const image = (height: number, width: number, channels = 3) => ({
  shape: [height, width, channels],
  data: new Float32Array(height * width * channels).fill(0.5),
});
const batch = (count: number) => ({
  shape: [count, 8, 8, 1],
  data: new Float32Array(count * 64),
});

/** The attributes of each outline. */
function outlines(svg: string) {
  return [...svg.matchAll(/<rect ([^>]*fill="none"[^>]*)\/?>/g)].map(([, attributes = '']) =>
    Object.fromEntries(
      [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    ),
  );
}

/** The colour of a pixel of the figure. */
async function colorAt(png: Uint8Array, x: number, y: number): Promise<string> {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = 3 * (Math.round(2 * y) * info.width + Math.round(2 * x));
  return `#${data
    .subarray(at, at + 3)
    .toString('hex')
    .toUpperCase()}`;
}

describe('showBoxes', () => {
  it('draws boxes of pixels at their places, in turn in each colour', async () => {
    const boxes = [
      [10, 20, 50, 40],
      [0, 0, 100, 50],
      [60, 5, 90, 45],
    ];
    const colors = ['#FF0000', '#00FF00'];
    const figure = await showBoxes(image(50, 100), boxes, { colors, size: 200 });
    const [first, second, third] = outlines(figure.svg);
    const { x: left, y: top } = { x: Number(second?.x) - 1, y: Number(second?.y) - 1 };
    expect(first).toMatchObject({ x: `${left + 20}`, y: `${top + 40}`, width: '80', height: '40' });
    expect([first?.stroke, second?.stroke, third?.stroke]).toEqual([...colors, '#FF0000']);
    const png = await figure.toPng();
    expect(await colorAt(png, left + 20, top + 60)).toBe('#FF0000');
    expect(await colorAt(png, left + 60, top + 60)).toBe('#808080');
  });

  it('writes labels, and keeps boxes and words within the image', async () => {
    const labels = ['dog', 'a label that is much too long for this small image'];
    const boxes = [
      [-5, -5, 200, 20],
      [90, 40, 95, 45],
    ];
    const figure = await showBoxes(image(50, 100), boxes, { labels, size: 100 });
    expect(figure.svg).toContain('>dog<');
    expect(figure.svg).toContain('1 image: dog, a label');
    const [outline] = outlines(figure.svg);
    expect(Number(outline?.width)).toBe(98);
    for (const [, x, , width] of figure.svg.matchAll(
      /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g,
    ))
      expect(Number(x) + Number(width)).toBeLessThanOrEqual(figure.width);
  });

  it.each([
    [[[0, 0, 1]], {}, '[x1, y1, x2, y2]'],
    [[[5, 0, 1, 1]], {}, 'x1 ≤ x2'],
    [[[0, 0, Number.NaN, 1]], {}, 'at 0'],
    [[[0, 0, 1, 1]], { labels: [] }, 'expected 1 "labels"'],
    [[[0, 0, 1, 1]], { color: ['red'] }, '"color"'],
    [undefined, {}, 'a list of boxes'],
  ])('refuses %o with %o', async (boxes, options, message) => {
    await expect(showBoxes(image(8, 8), boxes as never, options as never)).rejects.toThrow(message);
  });
});

describe('showObjects', () => {
  it('draws the objects of each image, a class in its colour, with names and scores', async () => {
    const boxes = [
      [0.1, 0.1, 0.5, 0.5],
      [0.5, 0.5, 1, 1],
    ];
    const objects = [
      { boxes, labels: [0, 1], scores: [0.934, 0.5] },
      { boxes: [], labels: [] },
      { boxes: boxes.slice(1), labels: [1] },
    ];
    const figure = await showObjects(batch(3), objects, { classNames: ['bag', 'coat'], cols: 3 });
    const strokes = outlines(figure.svg).map(({ stroke }) => stroke);
    expect(strokes).toHaveLength(3);
    expect(strokes[1]).toBe(strokes[2]);
    expect(strokes[0]).not.toBe(strokes[1]);
    for (const words of ['>bag 0.93<', '>coat 0.50<', '>coat<'])
      expect(figure.svg).toContain(words);
    expect(figure.points.map(({ label }) => label)).toEqual([
      'image 0: bag 0.93, coat 0.50',
      'image 1',
      'image 2: coat',
    ]);
  });

  it('refuses a class without a name, and objects of other images', async () => {
    const objects = [{ boxes: [[0, 0, 1, 1]], labels: [2] }];
    const options = { classNames: ['bag'] };
    await expect(showObjects(batch(1), objects, options)).rejects.toThrow('a name for class 2');
    await expect(showObjects(batch(2), objects)).rejects.toThrow('objects of 2 images, got 1');
    const pixels = [{ boxes: [[1, 1, 15, 15] as const] }];
    await expect(showObjects(batch(1), pixels)).rejects.toThrow('pass "unit: \'pixel\'"');
    await showObjects(batch(1), pixels, { unit: 'pixel' });
    const surplus = [{ boxes: [[0, 0, 1, 1] as const], labels: [0, 1] }];
    await expect(showObjects(batch(1), surplus)).rejects.toThrow('labels for the 1 boxes of image');
  });
});
