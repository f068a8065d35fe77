/** Heatmaps, confusion matrices, bars, runs, filters, function classes. */
import {
  drawFeatureMaps,
  drawFilters,
  heatmap,
  plotBand,
  plotBars,
  plotConfusionMatrix,
  plotRuns,
  showFunctionClasses,
  showGridWorld,
  showHeatmaps,
} from '@deepend/plot';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  FUNCTION_CLASSES,
  findNearest,
  OPTIMUM,
  outlinePoint,
} from '../../packages/plot/src/function-classes';
import { runsOf } from '../helpers/full';
import { expectGolden, withoutPacking } from './golden';

const CLOTHES = [
  't-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];
const near = (rows: number, columns: number) =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (__, j) => Math.exp(-((i - j) ** 2) / 4)),
  );
const counts = (n: number) =>
  Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (__, j) =>
      i === j ? 800 + 13 * i : (i * 7 + j * 3) % 5 === 0 ? (i * j) % 40 : 0,
    ),
  );
const history = (k: number, epochs = 20) =>
  Array.from({ length: epochs }, (_, i) => ({
    epoch: i + 1,
    loss: 1 / (i + 1 + k),
    testAcc: 0.9 - 0.02 * k - 0.4 / (i + 2),
    seconds: 10 + k,
    metrics: { top5: 0.99 },
  }));
const runs = (n: number) =>
  Array.from({ length: n }, (_, k) => ({ name: `run ${k}`, history: history(k) }));
const wave = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7));

const KINDS = {
  heatmap: () => heatmap(near(6, 8), { xlabel: 'keys', ylabel: 'queries', values: true }),
  'heatmap-names': () =>
    heatmap(
      [
        [0, 1, Number.NaN],
        [-1, 0.5, 0],
      ],
      {
        xticks: ['the', 'quick', 'extraordinarily long'],
        yticks: ['a', 'b'],
        cmap: 'coolwarm',
        vlim: [-1, 1],
        title: 'Named',
      },
    ),
  heatmaps: () =>
    showHeatmaps(
      [
        [near(5, 5), near(5, 5)],
        [near(5, 5), near(5, 5)],
      ],
      { xlabel: 'keys', ylabel: 'queries', titles: ['head 1', 'head 2'] },
    ),
  'confusion-matrix': () => plotConfusionMatrix(counts(10), { classNames: CLOTHES }),
  'confusion-matrix-counts': () =>
    plotConfusionMatrix(
      [
        [9, 1],
        [0, 1000],
      ],
      { classNames: ['cat', 'dog'], normalize: false, title: 'Cats and dogs' },
    ),
  bars: () =>
    plotBars([5032.7, 2464, 3942, 55297], {
      labels: ['ResNet-18', 'VGG-11', 'AlexNet', 'LeNet'],
      ylabel: 'samples/s',
    }),
  'bars-groups': () =>
    plotBars(
      [
        [100.2, 74.9],
        [117, 110],
      ],
      {
        labels: ['matrix product', 'convolution'],
        legend: ['simd', 'PyTorch'],
        errors: [
          [3, [1, 8]],
          [2, 2],
        ],
        ylabel: 'GFLOP/s',
      },
    ),
  'bars-horizontal': () =>
    plotBars([3, -2, Number.NaN], {
      labels: [
        'convolution 3×3, 64 → 64, 56 px',
        'filter gradient of the same',
        'not measured here, and long',
      ],
      title: 'Change',
      ylabel: 'ms',
    }),
  runs: () => plotRuns(runs(12)),
  band: () => {
    const x = Array.from({ length: 41 }, (_, i) => i / 8);
    const mean = x.map((at) => Math.sin(at));
    const edge = (sign: number) => x.map((at, i) => (mean[i] ?? 0) + sign * (0.2 + at / 10));
    const lines = [{ y: mean }, { x: [1, 2, 4], y: [0.8, 1.1, -0.6] }];
    const names = { legend: ['mean', 'observations'], xlabel: 'x', ylabel: 'f(x)' };
    return plotBand(x, { low: edge(-1), high: edge(1) }, { lines, fmts: ['b-', 'ko'], ...names });
  },
  'grid-world': () =>
    showGridWorld(
      ['SFF', 'FHF', 'FFG'],
      [
        { values: [0, 0, 0, 0, 0, 1, 0, 1, 0], actions: [0, 0, 0, 0, 0, 1, 0, 2, 0] },
        { values: [0, 0, 0.9, 0, 0, 1, 0.9, 1, 0], actions: [0, 0, 1, 0, 0, 1, 2, 2, 0] },
        { values: [0.7, 0.8, 0.9, 0.8, 0, 1, 0.9, 1, 0], actions: [2, 2, 1, 1, 0, 1, 2, 2, 0] },
      ],
      { titles: ['step 1', 'step 2', 'step 4'], cols: 2, width: 400 },
    ),
  'function-classes': () => showFunctionClasses(),
  'function-classes-nested': () => showFunctionClasses({ nested: true, title: 'Residual nets' }),
} as const;

describe('golden figures', () => {
  it.each(Object.entries(KINDS))('%s', async (name, draw) => {
    const figure = draw();
    await expectGolden(name, figure.svg);
    for (const { x, y } of figure.points) {
      expect(x >= 0 && x <= figure.width && y >= 0 && y <= figure.height).toBe(true);
    }
  });

  it.each([
    ['filters', () => drawFilters(wave(3 * 3 * 3 * 10), [3, 3, 3, 10])],
    ['filters-one-channel', () => drawFilters(wave(5 * 5 * 6), [5, 5, 1, 6])],
    ['feature-maps', () => drawFeatureMaps(wave(6 * 8 * 9), [6, 8, 9])],
  ])('%s', async (name, draw) => expectGolden(name, await withoutPacking((await draw()).svg)));
});

it('bands and grids are drawn on the terminal too', () => {
  expect(KINDS.band().toText({ width: 60 })).toContain('observations');
  expect(KINDS['grid-world']().toText({ width: 60, color: 'truecolor' })).toContain('step 4');
});

describe('heatmaps', () => {
  it('have the ends of their colours at the least and the largest value', () => {
    const { svg } = heatmap([[0, 5, 10]]);
    for (const color of ['#440154', '#21908c', '#fde725']) expect(svg).toContain(`fill="${color}"`); // viridis at 0, 1/2, 1
  });

  it('share one scale, and leave blank what is not finite', () => {
    const cells = (svg: string) => svg.match(/crispEdges/g)?.length ?? 0;
    const bar = cells(heatmap([[Number.NaN]], { vlim: [0, 1] }).svg); // the colour bar's alone
    expect(
      cells(heatmap([[0.5, Number.NaN, Number.POSITIVE_INFINITY]], { vlim: [0, 1] }).svg),
    ).toBe(bar + 1);
    expect(showHeatmaps([[[[0]], [[10]]]]).svg).toMatch(/#440154[\s\S]*#fde725/);
  });

  it('give each cell to the pointer, and a drawing to the terminal', () => {
    const figure = heatmap(
      [
        [1, 2],
        [3, 4],
      ],
      { xlabel: 'key', yticks: ['a', 'b'] },
    );
    expect(figure.points.map(({ label }) => label)).toEqual([
      '1 at row a, key 0',
      '2 at row a, key 1',
      '3 at row b, key 0',
      '4 at row b, key 1',
    ]);
    expect(figure.toText({ width: 40, color: 'truecolor' })).toContain('▀');
  });

  it.each([
    ['subnormal', 4.9e-308],
    ['tiny', 1e-301],
    ['next to each other', 1 + Number.EPSILON],
  ])('have one label at their colours where the values are %s', (_, value) => {
    const lowest = value > 1 ? 1 : 0;
    const { svg } = heatmap([[lowest, value]]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('are valid for any finite matrix', () => {
    const matrix = fc
      .integer({ min: 1, max: 30 })
      .chain((n) =>
        fc.array(
          fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: n, maxLength: n }),
          { minLength: 1, maxLength: 30 },
        ),
      );
    fc.assert(
      fc.property(matrix, (values) => {
        const { svg, height } = heatmap(values, { values: true });
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
        expect(height).toBeLessThan(1000);
      }),
      { numRuns: runsOf(100) },
    );
  });
});

describe('a confusion matrix', () => {
  const labels = (normalize: 'true' | 'predicted' | 'all' | false) =>
    plotConfusionMatrix(
      [
        [8, 2],
        [0, 10],
      ],
      { classNames: ['cat', 'dog'], normalize },
    ).points.map(({ label }) => label);

  it('takes hundreds of classes', () => {
    const counts = Array.from({ length: 400 }, () => new Array<number>(400).fill(1));
    expect(plotConfusionMatrix(counts, { normalize: false }).svg).toContain('400 classes');
  });

  it('tells counts, and shares of what was asked for', () => {
    expect(labels('true')).toEqual([
      'cat correct: 8 (80%)',
      'cat predicted as dog: 2 (20%)',
      'dog correct: 10 (100%)',
    ]);
    expect(labels('predicted')).toEqual([
      'cat correct: 8 (100%)',
      'cat predicted as dog: 2 (17%)',
      'dog correct: 10 (83%)',
    ]);
    expect(labels('all')).toEqual([
      'cat correct: 8 (40%)',
      'cat predicted as dog: 2 (10%)',
      'dog correct: 10 (50%)',
    ]);
    expect(labels(false)).toEqual(['cat correct: 8', 'cat predicted as dog: 2', 'dog correct: 10']);
  });

  it('has texts of at least 7 pixels in its cells for 10 classes, none for 100', () => {
    const cellTexts = (n: number) =>
      plotConfusionMatrix(counts(n)).svg.match(/%<\/text>/g)?.length ?? 0;
    expect(cellTexts(10)).toBeGreaterThan(10);
    const sizes = [
      ...plotConfusionMatrix(counts(10), { classNames: CLOTHES }).svg.matchAll(
        /font-size="([\d.]+)"/g,
      ),
    ].map(([, size]) => Number(size));
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(9);
    expect(cellTexts(100)).toBe(0);
    expect(plotConfusionMatrix(counts(100)).svg.length).toBeLessThan(300_000);
  });

  it('has a class without samples', () => {
    expect(
      plotConfusionMatrix([
        [0, 0],
        [0, 3],
      ]).svg,
    ).not.toContain('NaN');
  });
});

describe('bars', () => {
  it('are as long as their values, from 0', () => {
    const { svg } = plotBars([1, 2, 4], { values: false });
    const heights = [...svg.matchAll(/<rect [^>]*height="([\d.]+)" fill="#0072B2"/g)].map(
      ([, height]) => Number(height),
    );
    expect(heights).toHaveLength(3);
    expect((heights[1] as number) / (heights[0] as number)).toBeCloseTo(2, 1);
    expect((heights[2] as number) / (heights[0] as number)).toBeCloseTo(4, 1);
  });

  it('lie down where their labels are too long, or as they are told', () => {
    const points = (options: object) => plotBars([1, 2], options).points;
    const lying = ([a, b]: readonly { x: number; y: number }[]) =>
      (a?.y ?? 0) < (b?.y ?? 0) && a?.x !== b?.x;
    expect(lying(points({ labels: ['x'.repeat(60), 'y'] }))).toBe(true);
    expect(lying(points({ labels: ['x', 'y'] }))).toBe(false);
    expect(lying(points({ labels: ['x', 'y'], horizontal: true }))).toBe(true);
  });

  it('tell the pointer and the terminal their values', () => {
    const figure = plotBars([[1.5], [2]], {
      labels: ['conv'],
      legend: ['a', 'b'],
      errors: [[0.25], [[0.5, 1]]],
    });
    expect(figure.points.map(({ label }) => label)).toEqual([
      'a, conv: 1.5 ± 0.25',
      'b, conv: 2 -0.5 +1',
    ]);
    expect(figure.toText({ width: 40 })).toMatch(/conv a │█+.* 1\.5\n *conv b │█+ 2/);
  });

  it('are sound for any numbers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        (values, horizontal) => {
          expect(plotBars(values, { horizontal }).svg).not.toMatch(
            /NaN|Infinity|undefined|="-\d+(\.\d+)?" height|width="-/,
          );
        },
      ),
      { numRuns: runsOf(200) },
    );
  });
});

describe('runs', () => {
  it('differ from each other in line or marker, up to 48', () => {
    const { svg } = plotRuns(runs(48));
    const samples = [
      ...svg.matchAll(
        /<path d="M[\d. ]+h26"[^>]*stroke="(#\w+)"(?: stroke-dasharray="([^"]*)")?\/>\n(<(circle|rect|path) [^>]*>)?/g,
      ),
    ];
    const looks = samples.map(([, color, dash, , marker]) => `${color} ${dash} ${marker ?? ''}`);
    expect(samples).toHaveLength(48);
    expect(new Set(looks).size).toBeGreaterThan(24); // crosses and pluses are paths, as triangles are
    expect(() => plotRuns(runs(49))).toThrow(/at most 48 runs, got 49/);
  });

  it('compare any column, over epochs or seconds, gaps included', () => {
    const [first] = runs(1);
    const history = [
      ...(first?.history ?? []).slice(0, 2),
      { epoch: 3, loss: null, testAcc: 0.5, seconds: 10 },
    ];
    const points = (options: object) =>
      plotRuns([{ name: 'a', history }], options).points.map(({ label }) => label);
    expect(points({ metric: 'loss' })).toEqual(['a: 1 at epoch 1', 'a: 0.5 at epoch 2']);
    expect(points({ metric: 'testAcc', over: 'time' })[2]).toBe('a: 0.5 at seconds 30');
    expect(points({ metric: 'metrics.top5' })).toHaveLength(2);
    expect(() => points({ metric: 'top1' })).toThrow(
      /no run has numbers in "top1" over "epoch"; the columns with numbers are epoch, loss, testAcc, seconds/,
    );
  });
});

describe('filters and feature maps', () => {
  const pixelsOf = async (svg: string) => {
    const images = [...svg.matchAll(/data:image\/png;base64,([^"]+)/g)].map(([, data = '']) =>
      sharp(Buffer.from(data, 'base64')).removeAlpha().raw().toBuffer(),
    );
    return (await Promise.all(images)).map((pixels) => [...pixels.subarray(0, 3)]);
  };

  it('have 0 in the middle of the colours, and the largest weight at an end', async () => {
    const { svg } = await drawFilters([2, -2, 0], [1, 1, 1, 3]);
    expect(await pixelsOf(svg)).toEqual([
      [180, 4, 38],
      [59, 76, 192],
      [221, 221, 221],
    ]);
    const rgb = await drawFilters([1, -1, 0], [1, 1, 3, 1]);
    expect(await pixelsOf(rgb.svg)).toEqual([[255, 0, 128]]);
  });

  it('show the channel that is asked for, and so many as asked for', async () => {
    const { svg } = await drawFilters([1, 2, 3, 4], [1, 1, 2, 2], {
      channel: 1,
      count: 1,
      cmap: 'greys',
    }); // input 1, filter 0: 3 of 4
    expect(await pixelsOf(svg)).toEqual([[223, 223, 223]]);
  });

  it('scale each map by itself or all alike; a dead one is dark', async () => {
    const values = [0, 0, 5, 1, 0, 10]; // 1 × 2 pixels of 3 channels
    const first = async (scaleEach: boolean) =>
      pixelsOf(
        (
          await drawFeatureMaps(
            values.map((v) => v),
            [1, 2, 3],
            { scaleEach, cmap: 'greys' },
          )
        ).svg,
      );
    expect(await first(true)).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(await first(false)).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [128, 128, 128],
    ]);
  });
});

describe('function classes', () => {
  const distances = (kind: 'other' | 'nested') =>
    FUNCTION_CLASSES[kind].map((shape) => findNearest(OPTIMUM, shape).distance);

  it('where they are not nested: the third is nearest to the optimum, and the largest farther', () => {
    const found = distances('other');
    expect(found.indexOf(Math.min(...found))).toBe(2);
    expect(found[5]).toBeGreaterThan(1.5 * (found[2] as number));
    const area = FUNCTION_CLASSES.other.map(({ rx, ry }) => rx * ry);
    expect(area).toEqual([...area].sort((a, b) => a - b));
  });

  it('where they are nested: each contains the one before, and none is farther', () => {
    const found = distances('nested');
    expect(found).toEqual([...found].sort((a, b) => b - a));
    FUNCTION_CLASSES.nested.slice(1).forEach((outer, i) => {
      const inner = FUNCTION_CLASSES.nested[i] as typeof outer;
      for (let k = 0; k < 360; k++) {
        const { x, y } = outlinePoint(inner, (k * Math.PI) / 180);
        const turn = (-outer.turn * Math.PI) / 180;
        const [dx, dy] = [x - outer.x, y - outer.y];
        const [u, v] = [
          dx * Math.cos(turn) - dy * Math.sin(turn),
          dx * Math.sin(turn) + dy * Math.cos(turn),
        ];
        expect((u / outer.rx) ** 2 + (v / outer.ry) ** 2).toBeLessThan(1);
      }
    });
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['no matrix', () => heatmap([] as never), /heatmap: expected a matrix .*, got \[\]/],
    ['rows of different lengths', () => heatmap([[1, 2], [3]]), /got rows of lengths \[2, 1\]/],
    [
      'names for other columns',
      () => heatmap([[1, 2]], { xticks: ['a'] }),
      /expected 2 "xticks", one for each column, got 1/,
    ],
    [
      'a colour map that is none',
      () => heatmap([[1]], { cmap: 'jet' as never }),
      /"cmap" must be one of 'viridis', 'coolwarm', 'greys', got 'jet'/,
    ],
    [
      'rows of other numbers of matrices',
      () => showHeatmaps([[[[1]]], []]),
      /expected rows with the same number of matrices/,
    ],
    [
      'matrices of two sizes',
      () => showHeatmaps([[[[1]], [[1, 2]]]]),
      /matrices of the same size, got 1 × 1 and 1 × 2/,
    ],
    [
      'titles for others',
      () => showHeatmaps([[[[1]], [[2]]]], { titles: ['a'] }),
      /expected 2 "titles", one for each column, or 2/,
    ],
    [
      'a matrix that is not square',
      () => plotConfusionMatrix([[1, 2]]),
      /as many rows as columns, one for each class, got 1 × 2/,
    ],
    ['negative counts', () => plotConfusionMatrix([[-1]]), /expected finite counts of at least 0/],
    [
      'names of other classes',
      () => plotConfusionMatrix([[1]], { classNames: [] }),
      /expected 1 "classNames", one for each class, got 0/,
    ],
    [
      'no bars',
      () => plotBars([]),
      /plotBars: expected a list of numbers, or a list of such lists, got \[\]/,
    ],
    ['bars of text', () => plotBars(['a'] as never), /got \['a'\]/],
    [
      'series of other lengths',
      () => plotBars([[1, 2], [3]]),
      /expected the same number of values in each series, got 2 and 1/,
    ],
    [
      'too many series',
      () => plotBars(Array.from({ length: 8 }, () => [1])),
      /at most 7 series, got 8/,
    ],
    [
      'labels for others',
      () => plotBars([1, 2], { labels: ['a'] }),
      /expected 2 "labels", one for each bar, got 1/,
    ],
    [
      'errors below 0',
      () => plotBars([1], { errors: [-1] }),
      /"errors" must be numbers of at least 0/,
    ],
    [
      'errors of another form',
      () => plotBars([[1], [2]], { errors: [1, 2] }),
      /expected "errors" in the shape of the values, 2 × 1/,
    ],
    ['no runs', () => plotRuns([]), /expected runs, each \{ name, history \}, got \[\]/],
    [
      'an option under both its names',
      () => plotRuns(runs(1), { xlim: [0, 1], xLim: [0, 1] }),
      /"xLim" and another spelling/,
    ],
    [
      'a kind of classes',
      () => showFunctionClasses({ nested: 1 as never }),
      /"nested" must be true or false, got 1/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => expect(act).toThrow(message));

  it.each([
    [
      'another number of weights',
      () => drawFilters([1], [1, 1, 1, 2]),
      /expected 2 values for shape \[1, 1, 1, 2\], got 1/,
    ],
    [
      'a shape of another rank',
      () => drawFilters([1], [1, 1, 1]),
      /expected a shape \[height, width, input channels, filters\]/,
    ],
    [
      'no such channel',
      () => drawFilters([1], [1, 1, 1, 1], { channel: 1 }),
      /"channel" below 1, the input channels, got 1/,
    ],
    [
      'maps of another size',
      () => drawFeatureMaps([1], [1, 1, 0]),
      /of integers of at least 1, got \[1, 1, 0\]/,
    ],
  ])('%s', async (_, act, message) => expect(act()).rejects.toThrow(message));
});
