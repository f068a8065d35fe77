/** Every way out of one figure, ordinary and hostile. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { curves, figureStyle, hoverScript, plot, showImages } from '@deepend/plot';
import fc from 'fast-check';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { measureColumns } from '../../packages/plot/src/characters';
import { textWidth } from '../../packages/plot/src/text';
import { runsOf } from '../helpers/full';

const history = [1, 2, 3].map((epoch) => ({
  epoch,
  loss: 1 / epoch,
  trainAcc: 0.8,
  testAcc: epoch === 2 ? null : 0.85,
}));
const figure = curves(history);

describe('a figure', () => {
  it('knows the values under the pointer, and none where there is a gap', () => {
    expect(figure.points.map(({ label }) => label)).toEqual([
      'train loss: 1 at epoch 1',
      'train loss: 0.5 at epoch 2',
      'train loss: 0.33333 at epoch 3',
      'train acc: 0.8 at epoch 1',
      'train acc: 0.8 at epoch 2',
      'train acc: 0.8 at epoch 3',
      'test acc: 0.85 at epoch 1',
      'test acc: 0.85 at epoch 3',
    ]);
    for (const { x, y } of figure.points) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(figure.width);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(figure.height);
    }
  });

  it("gives a notebook SVG and text, and a PNG where it's passed", async () => {
    const bundle = figure.mimeBundle();
    expect(Object.keys(bundle)).toEqual(['image/svg+xml', 'text/plain']);
    expect(bundle['image/svg+xml']).toBe(figure.svg);
    expect(bundle['text/plain']).toMatch(/[\u2801-\u28ff]/);
    expect(bundle['text/plain']).not.toContain('\u001b');
    const png = await figure.toPng();
    expect(Buffer.from(figure.mimeBundle({ png })['image/png'] ?? '', 'base64').equals(png)).toBe(
      true,
    );
  });

  it("answers Jupyter's protocol, which Deno speaks", () => {
    const display = (figure as unknown as Record<symbol, () => unknown>)[
      Symbol.for('Jupyter.display')
    ];
    expect(display?.call(figure)).toEqual(figure.notebookBundle());
    expect(display?.call(figure)).toHaveProperty(['image/png']);
  });

  it('is a page of its own that fetches nothing and runs one script', () => {
    const page = figure.toHtml();
    const hash = createHash('sha256').update(hoverScript).digest('base64');
    expect(page).toContain(`script-src &#39;sha256-${hash}&#39;`.replaceAll('&#39;', "'"));
    expect(page).toContain("default-src 'none'");
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/(src|href)=|url\(|@import/);
    expect(page).toContain('prefers-color-scheme');
    expect(figure.toHtml({ theme: 'dark' })).toContain('color-scheme:dark');
  });

  it('is a figure for a page with others', () => {
    const fragment = figure.toHtmlFragment();
    expect(fragment).toMatch(/^<figure [\s\S]*<\/figure>$/);
    expect(fragment).not.toMatch(/<script|<style/);
    expect(figureStyle).toContain('prefers-color-scheme:dark');
  });

  it('is saved as the extension says', async () => {
    const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    try {
      for (const extension of ['svg', 'png', 'html', 'txt'])
        await figure.save(path.join(dir, `a.${extension}`));
      expect(await fs.readFile(path.join(dir, 'a.html'), 'utf8')).toBe(figure.toHtml());
      expect(await fs.readFile(path.join(dir, 'a.txt'), 'utf8')).toBe(`${figure.toText()}\n`);
    } finally {
      await fs.remove(dir);
    }
  });

  it('is a Vega-Lite specification where it is a chart of lines', async () => {
    const fmts = ['-', 'mo'];
    const { vegaLite } = plot(
      [1, 2],
      [
        [0, 1],
        [2, 3],
      ],
      { legend: ['a', 'a'], fmts, xlabel: 'x', yscale: 'log', xlim: [0, 3] },
    );
    expect(JSON.parse(JSON.stringify(vegaLite))).toEqual(vegaLite);
    expect(vegaLite).toMatchObject({
      $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
      data: {
        values: [
          { series: 'a', x: 1, y: null }, // a logarithmic axis has no 0
          { series: 'a', x: 2, y: 1 },
          { series: 'a (2)', x: 1, y: 2 },
          { series: 'a (2)', x: 2, y: 3 },
        ],
      },
      encoding: {
        x: { title: 'x', scale: { type: 'linear', domain: [0, 3] } },
        y: { title: null, scale: { type: 'log' } },
        color: { scale: { domain: ['a', 'a (2)'], range: ['#0072B2', '#CC79A7'] } },
      },
      layer: [
        { transform: [{ filter: { oneOf: ['a'] } }], mark: { type: 'line' } },
        { transform: [{ filter: { oneOf: ['a (2)'] } }], mark: { type: 'point' } },
      ],
    });
    expect((await showImages({ shape: [1, 2, 2], data: [0, 1, 0, 1] })).vegaLite).toBeUndefined();
  });

  it('carries its letters in an SVG with outlines', () => {
    expect(figure.toSvg({ text: 'outlines' })).not.toContain('<text');
  });

  it.each([
    ['toText', { width: 5 }, /"width" must be an integer of at least 20/],
    ['toText', { color: 'red' }, /"color" must be/],
    ['toHtml', { theme: 'blue' }, /"theme" must be one of/],
    ['toHtmlFragment', { them: 'dark' }, /there is no option "them"/],
  ] as const)('%s refuses %o', (method, options, message) => {
    expect(() => (figure[method] as (options: unknown) => string)(options)).toThrow(message);
  });
});

describe('letters of a PNG', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const ink = async (title: string) => {
    const pixels = await sharp(await plot([1, 2], undefined, { title }).toPng())
      .greyscale()
      .raw()
      .toBuffer();
    return pixels.filter((value: number) => value < 128).length;
  };

  it('are bundled for Latin, Greek and Cyrillic', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    expect(await ink('Łódź Ğüneş Việt Ελλάδα Москва')).toBeGreaterThan((await ink('')) + 500);
    expect(warning).not.toHaveBeenCalled();
  });

  it('that no font has are shown as code points, and said to be', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const never = '\ufdd1\u{1ffff}'; // code points that never become characters: no font has them
    expect(await ink(never)).toBeGreaterThan((await ink('')) + 100);
    expect(warning.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(
        /^\[plot\] toPng: no font of this machine has .*shows their code points\. Install a font/,
      ),
    ]);
    await ink(never);
    expect(warning).toHaveBeenCalledTimes(1);
  });
});

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    '<script>alert(1)</script>',
    '</script><img src=x onerror=alert(1)>',
    `"'><&amp;`,
    ']]>',
    '--><!--',
    '漢字の題',
    '🎉👩‍👩‍👧',
    '\u001b[31m\u0007',
    'x'.repeat(3000),
    '\u202eabc',
    "' onload='alert(1)",
    '</figure></svg>',
  ),
);

describe('hostile names', () => {
  it('leave the SVG well-formed, in every theme and way of writing text', async () => {
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.constantFrom('light', 'dark', 'auto'),
        fc.constantFrom('elements', 'outlines'),
        async (name, theme, way) => {
          const svg = named(name).toSvg({ theme, text: way });
          await expect(sharp(Buffer.from(svg)).metadata(), svg).resolves.toMatchObject({
            format: 'svg',
          }); // libxml2 reads it
        },
      ),
      { numRuns: runsOf(60) },
    );
  });

  it('add no element to the page, and no script', () => {
    const tags = (page: string) => page.match(/<\/?[a-z!][^\s/>]*/gi);
    const plain = named('a');
    fc.assert(
      fc.property(text, (name) => {
        const page = named(name).toHtml();
        expect(
          tags(page.replace(hoverScript, ''))?.filter((tag) => !/path|text|line|g$/.test(tag)),
        ).toEqual(
          tags(plain.toHtml().replace(hoverScript, ''))?.filter(
            (tag) => !/path|text|line|g$/.test(tag),
          ),
        );
        expect(page.match(/<script/gi)).toHaveLength(1);
      }),
      { numRuns: runsOf(200) },
    );
  });

  it('move no cursor of a terminal, and break no line', () => {
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 20, max: 120 }),
        fc.integer({ min: 6, max: 30 }),
        (name, width, height) => {
          const lines = named(name).toText({ width, height }).split('\n');
          expect(lines).toHaveLength(height);
          for (const line of lines) {
            expect(measureColumns(line)).toBeLessThanOrEqual(width);
            expect(line).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
          }
        },
      ),
      { numRuns: runsOf(200) },
    );
  });

  it('stay within the figure', () => {
    const { svg, width, height } = named('W'.repeat(500));
    const texts = [...svg.matchAll(/<text ([^>]*)>([^<]*)/g)];
    expect(texts.length).toBeGreaterThan(5);
    for (const [, attributes = '', content = ''] of texts) {
      const read = (name: string) => new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1];
      const upright = attributes.includes('rotate(-90');
      const long = textWidth(content, Number(read('font-size')));
      const share = { middle: 0.5, end: 1 }[read('text-anchor') ?? ''] ?? 0;
      const from = upright
        ? Number(read('y')) - (1 - share) * long
        : Number(read('x')) - share * long;
      expect(from, content.slice(0, 20)).toBeGreaterThanOrEqual(-1);
      expect(from + long, content.slice(0, 20)).toBeLessThanOrEqual((upright ? height : width) + 1);
    }
  });
});

function named(name: string) {
  return plot(
    [1, 2],
    [
      [1, 2],
      [2, 1],
    ],
    { title: name, xlabel: name, ylabel: name, legend: [name, 'b'] },
  );
}

describe('images as text', () => {
  const images = {
    shape: [5, 28, 28],
    data: new Uint8Array(5 * 784).map((_, i) => (i % 784 < 392 ? 255 : 0)),
  };

  it('are half blocks in colours, and shades without', async () => {
    const grid = await showImages(images, 1, 5, { titles: ['a', 'b\nc', '漢字', 'd', 'e'] });
    const colored = grid.toText({ width: 80, color: 'truecolor' });
    expect(colored).toContain('\u001b[38;2;255;255;255m');
    expect(colored).toContain('▀');
    expect(grid.toText({ width: 80, color: 'ansi256' })).toContain('\u001b[38;5;231m');
    const plain = grid.toText({ width: 80 });
    expect(plain).toContain('█');
    expect(plain).not.toContain('\u001b');
    for (const line of plain.split('\n')) expect(measureColumns(line)).toBeLessThanOrEqual(80);
  });

  it('are as many as fit the lines, and the rest is counted', async () => {
    const many = await showImages({ shape: [100, 28, 28], data: new Uint8Array(78400) });
    const lines = many.toText({ width: 80 }).split('\n');
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(lines.at(-1)).toMatch(/^… and \d+ more$/);
  });
});
