/** The benchmark's own arithmetic and tables. No test measures a time. */
import { simdInfo } from '@deepend/backend-simd';
import { activate } from '@deepend/device';
import { describe, expect, it } from 'vitest';
import { type Contender, interleave } from './interleave';
import { JOBS, matches, titleOf } from './jobs';
import { aligned, BEGIN, between, END, markdown } from './markdown';
import { parseOptions, refusePublication } from './options';
import { peakGflops } from './peak';
import { rowText } from './report';
import type { Measured, Results, Series } from './results';
import { best, figure, judge, median, spread } from './stats';

const series = (name: string, ...rounds: number[]): Series => ({
  name,
  rounds,
  median: median(rounds),
});
const measured = (target: number | undefined, ...all: Series[]): Measured => ({
  ...{
    kind: 'train',
    title: 'train LeNet, 28 px, batch 256',
    unit: 'samples/s',
    series: all,
    target,
  },
  reference: ['PyTorch, channels last', 'PyTorch, channels first'],
});

describe('the peak', () => {
  it('is measured with the instructions of each build, on all threads', async () => {
    await activate({ backend: 'simd' });
    for (const build of simdInfo().builds)
      expect(await peakGflops({ build, threads: 2, seconds: 0.05 }), build).toBeGreaterThan(0.1);
    await expect(
      peakGflops({ build: 'other' as 'avx2', threads: 1, seconds: 0.05 }),
    ).rejects.toThrow(/a build that this processor supports|Cannot find module/);
  });
});

describe('figures', () => {
  it('have the middle for their median', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('tell how far they lie apart', () => {
    expect(spread([9, 10, 12])).toBeCloseTo(0.3);
    expect(spread([])).toBeNaN();
  });

  it.each([
    [5032.7, '5,033'],
    [228.14, '228.1'],
    [10, '10.0'],
    [0.617, '0.62'],
    [Number.NaN, '–'],
  ])('%d is written %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

describe('a ratio', () => {
  const [last, first] = [
    series('PyTorch, channels last', 100, 120, 110),
    series('PyTorch, channels first', 90, 300, 95),
  ];

  it("is to PyTorch's better memory format, by medians", () => {
    expect(best([last, first], ['PyTorch, channels last', 'PyTorch, channels first'])).toBe(last);
    expect(judge(measured(0.8, series('simd', 99), last, first))).toMatchObject({
      ratio: 0.9,
      met: true,
    });
    expect(judge(measured(1, series('simd', 99), first, last))).toMatchObject({
      ratio: 0.9,
      met: false,
    });
  });

  it('is left out where one side was not measured', () => {
    expect(judge(measured(1, series('simd', 99))).ratio).toBeUndefined();
    expect(judge(measured(1, series('simd'), last)).met).toBeUndefined();
    expect(judge(measured(undefined, series('simd', 99), last)).met).toBeUndefined();
  });
});

describe('rounds', () => {
  it('go in turn; who fails is left out from then on, with the reason', async () => {
    const order: string[] = [];
    const contender = (name: string, failsAt = Number.POSITIVE_INFINITY): Contender => {
      let calls = 0;
      const round = async () => {
        order.push(name);
        if (++calls >= failsAt) throw new Error('no memory\nat somewhere');
        return calls;
      };
      return { name, round, dispose: () => void order.push(`${name} gone`) };
    };
    const result = await interleave([contender('a'), contender('b', 2)], { rounds: 3, seconds: 0 });
    expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'a gone', 'b gone']);
    expect(result).toEqual([
      { name: 'a', rounds: [1, 2, 3], median: 2, fault: undefined },
      { name: 'b', rounds: [1], median: 1, fault: 'no memory' },
    ]);
  });
});

describe('jobs', () => {
  it('have a title each', () => {
    expect(new Set(JOBS.map(titleOf)).size).toBe(JOBS.length);
  });

  it('are chosen by words of it', () => {
    const chosen = (...words: string[]) => JOBS.filter((job) => matches(job, words)).map(titleOf);
    expect(chosen('train', 'resnet18_cifar')).toEqual([
      'train ResNet-18, 3×3 stem, 28 px, batch 64',
    ]);
    expect(chosen('infer', '224 px', 'resnet-18')).toEqual(['infer ResNet-18, 224 px, batch 16']);
    expect(chosen('nothing')).toEqual([]);
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(parseOptions([])).toMatchObject({
      section: 'speed',
      words: [],
      rounds: 5,
      seconds: 4,
      backends: ['simd', 'wasm', 'tensorflow'],
    });
  });

  it('take a section and words', () => {
    const options = parseOptions([
      'kernels',
      '3×3',
      '--rounds',
      '2',
      '--backends',
      'simd',
      '--against',
      'torch',
    ]);
    expect(options).toMatchObject({
      section: 'kernels',
      words: ['3×3'],
      rounds: 2,
      backends: ['simd'],
      against: 'torch',
    });
  });

  it('take a GPU, whose backend is its own', () => {
    expect(parseOptions(['--device', 'webgpu', 'ResNet'])).toMatchObject({
      device: 'webgpu',
      backends: ['webgpu'],
      words: ['ResNet'],
    });
    expect(parseOptions([]).device).toBeUndefined();
  });

  it.each([
    [['--device', 'cuda']],
    [['kernels', '--device', 'webgpu']],
    [['--device', 'webgpu', '--backends', 'simd']],
    [['--rounds', '0']],
    [['--rounds', '1.5']],
    [['--seconds', 'x']],
    [['--backends', 'cuda']],
    [['--against', 'keras']],
    [['--round', '2']],
  ])('refuse %j', (argv) => {
    expect(() => parseOptions(argv)).toThrow(/is not what it takes/);
  });
});

describe('published results', () => {
  const out = 'test/bench/results/speed.json';

  it('need five rounds', () => {
    expect(parseOptions(['--out', out]).out).toBe(out);
    expect(() => parseOptions(['--out', out, '--rounds', '4'])).toThrow('at least 5');
    expect(parseOptions(['--out', 'elsewhere.json', '--rounds', '1']).rounds).toBe(1);
  });

  it('need a quiet machine', () => {
    expect(refusePublication(out, 0.6)).toMatch(/load is 0\.6, above 0\.5/);
    expect(refusePublication(out, 0.5)).toBeUndefined();
    expect(refusePublication('elsewhere.json', 9)).toBeUndefined();
  });
});

const RESULTS: Results = {
  about: {
    ...{
      date: '2026-01-02T03:04:05.000Z',
      command: 'npm run bench',
      processor: 'A processor',
      cores: 2,
      memoryGiB: 8,
      loadAverage: 0,
    },
    ...{
      platform: 'linux x64',
      node: 'v20.0.0',
      versions: { PyTorch: '2.0, 2 threads' },
      build: 'WebAssembly, relaxed SIMD',
      threads: 2,
    },
    ...{ rounds: 1, seconds: 4, absent: {} },
  },
  rows: [
    judge(
      measured(
        0.5,
        series('simd', 1234),
        series('PyTorch, channels last', 1000),
        series('PyTorch, channels first', 900),
        series('wasm', 12.34),
      ),
    ),
    {
      ...judge(measured(undefined, series('simd', 50), series('peak', 80))),
      kind: 'kernels',
      unit: 'GFLOP/s',
      title: 'a kernel',
    },
  ],
};

describe('tables', () => {
  it('have a column an backend, the ratio and the target', () => {
    const [head, rule, row] = markdown(RESULTS, { kinds: ['train'] }).split('\n');
    expect(head).toMatch(
      /^\| Training, samples\/s +\| +simd \| +PyTorch \| +wasm \| +ratio \| +target \|$/,
    );
    expect(rule).toMatch(/^\| -+ \|( -+: \|)+$/);
    expect(row).toMatch(
      /^\| LeNet, 28 px, batch 256 +\| +1,234 \| +1,000 \| +12\.3 \| +1\.23 \| +0\.5, met \|$/,
    );
  });

  it('come one for each kind and unit, with what was measured how', () => {
    const text = markdown(RESULTS);
    expect(text.match(/\| -+ \|/g)).toHaveLength(2);
    expect(text.split('\n').at(-1)).toBe(
      'Medians of 1 interleaved rounds of 4 s, A processor, 2 cores, Node v20.0.0, simd on 2 threads (WebAssembly, relaxed SIMD), compared with PyTorch 2.0, 2 threads; 2026-01-02, `npm run bench`.',
    );
  });

  it('speak Chinese too', () => {
    expect(markdown(RESULTS, { language: 'zh', kinds: ['train'] })).toMatch(
      /^\| 训练, samples\/s .*比值 .*目标 \|\n.*\n.* 0\.5, 达到 \|/,
    );
  });

  it('line up', () => {
    expect(
      aligned([
        ['训练', 'a'],
        ['LeNet', '1,234'],
      ]),
    ).toBe('| 训练  |     a |\n| ----- | ----: |\n| LeNet | 1,234 |');
  });

  it('take the place between the markers', () => {
    const page = `before\n${BEGIN}\nold\n${END}\nafter\n`;
    const once = between(page, 'new');
    expect(once).toBe(`before\n${BEGIN}\n\nnew\n\n${END}\nafter\n`);
    expect(between(once, 'new')).toBe(once);
    expect(() => between('no markers', 'new')).toThrow(/expected <!-- bench:begin -->/);
  });

  it('are lines on the terminal as well', () => {
    const [row] = RESULTS.rows;
    expect(row && rowText(row).split('\n')).toHaveLength(5);
    expect(row && rowText(row)).toMatch(/1\.23 × PyTorch, channels last, target 0\.5: met/);
  });
});
