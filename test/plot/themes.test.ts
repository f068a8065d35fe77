/**
 * Colours by the numbers: contrast to the paper, and distances as people with each kind of colour
 * blindness see them.
 */
import { plot } from '@deepend/plot';
import { describe, expect, it } from 'vitest';
import { parseFmt } from '../../packages/plot/src/style';
import { DARK, EDGE, GRID, INK, PAPER, toDark } from '../../packages/plot/src/theme';

type Triple = readonly [number, number, number];

/** Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, for linear RGB. */
const VISION: Record<string, readonly Triple[]> = {
  'full colour vision': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const times = (rows: readonly Triple[], [a, b, c]: Triple) =>
  rows.map(([x, y, z]) => Math.min(1, Math.max(0, x * a + y * b + z * c))) as unknown as Triple;

function linear(hex: string): Triple {
  const channel = (from: number) => {
    const value = Number.parseInt(hex.slice(from, from + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

const luminance = ([r, g, b]: Triple) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

/** WCAG 2.2's contrast ratio. */
function contrast(one: string, other: string): number {
  const [low, high] = [luminance(linear(one)), luminance(linear(other))].sort((a, b) => a - b) as [
    number,
    number,
  ];
  return (high + 0.05) / (low + 0.05);
}

/** CIE 1976 L*a*b* under D65. */
function lab(rgb: Triple): Triple {
  const xyz = [
    (0.4124 * rgb[0] + 0.3576 * rgb[1] + 0.1805 * rgb[2]) / 0.9505,
    luminance(rgb),
    (0.0193 * rgb[0] + 0.1192 * rgb[1] + 0.9505 * rgb[2]) / 1.089,
  ].map((t) =>
    t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29,
  ) as unknown as Triple;
  return [116 * xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])];
}

const distance = (a: Triple, b: Triple) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

const LIGHT = [...'bmgrcyk'].map((letter) => parseFmt(letter).color);
const THEMES = {
  light: { colors: LIGHT, of: (color: string) => color },
  dark: { colors: LIGHT.map(toDark), of: toDark },
};

describe.each(Object.entries(THEMES))('the colours of the %s theme', (_, { colors, of }) => {
  it('stand out from the paper', () => {
    for (const color of colors) expect(contrast(color, of(PAPER)), color).toBeGreaterThanOrEqual(3); // WCAG 2.2, 1.4.11: graphics
    expect(contrast(of(INK), of(PAPER))).toBeGreaterThanOrEqual(7); // 1.4.6: text
    expect(contrast(of('#C03A00'), of(PAPER))).toBeGreaterThanOrEqual(4.5); // 1.4.3: a title in colour
    for (const quiet of [GRID, EDGE])
      expect(contrast(of(quiet), of(PAPER))).toBeLessThan(contrast(of(INK), of(PAPER)) / 2);
  });

  it.each(Object.entries(VISION))('differ from each other under %s', (_kind, matrix) => {
    const seen = colors.map((color) => lab(times(matrix, linear(color))));
    for (let i = 0; i < seen.length; i++) {
      for (let j = 0; j < i; j++) {
        // The published palette's closest two are 16 apart; some 2.3 can just be noticed.
        expect(
          distance(seen[i] as Triple, seen[j] as Triple),
          `${colors[i]} and ${colors[j]}`,
        ).toBeGreaterThan(14);
      }
    }
  });
});

describe('a theme', () => {
  const figure = plot(
    [1, 2, 3],
    [
      [1, 2, 3],
      [3, 2, 1],
    ],
    { title: 'fill="#262626" stays text', legend: ['a', 'b'] },
  );

  it('is light unless asked for', () => {
    expect(figure.svg).toBe(figure.toSvg({ theme: 'light' }));
    expect(figure.svg).toContain(`fill="${PAPER}"`);
    expect(figure.svg).not.toContain('<style>');
  });

  it('is dark in every colour, and the same figure otherwise', () => {
    const dark = figure.toSvg({ theme: 'dark' });
    for (const light of Object.keys(DARK))
      expect(dark).not.toMatch(new RegExp(`(fill|stroke)="${light}"`, 'i'));
    expect(dark).toContain('fill=&quot;#262626&quot; stays text');
    const bare = (svg: string) => svg.replace(/(fill|stroke)="#\w{6}"/g, '');
    expect(bare(dark)).toBe(bare(figure.svg));
  });

  it('follows the reader by a rule for each colour', () => {
    const auto = figure.toSvg({ theme: 'auto' });
    for (const [light, dark] of Object.entries(DARK))
      expect(auto).toContain(`.deepend-auto [fill="${light}" i]{fill:${dark}}`);
  });

  it('that is none is refused', () => {
    expect(() => figure.toSvg({ theme: 'sepia' as never })).toThrow(
      /\[plot\] toSvg: option "theme" must be one of 'light', 'dark', 'auto'/,
    );
  });
});
