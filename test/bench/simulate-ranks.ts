/**
 * What training on many ranks would reach, on paper: `npm run bench:simulate -- PAGE.md ...` writes
 * its tables between the markers of pages. A step is a forward pass, a backward pass of twice its
 * time, and sums of buckets one after another, each from when its gradients are complete; what is
 * left of them when the backward pass ends is not hidden.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Parameter } from '@deepend/compiler';
import { bucketsOf } from '../../packages/distributed/src/mpi/gradient-sums';
import { aligned, between, type Language } from './markdown';
import type { Results } from './results';

/** A layer with weights: its parameters, and multiplications for a sample. */
export interface Layer {
  readonly parameters: number;
  readonly work: number;
}

/** A convolution without bias, and its batch normalization. */
const conv = (from: number, to: number, { kernel = 3, size = 1 }): Layer => {
  const weights = kernel * kernel * from * to;
  return { parameters: weights + 2 * to, work: weights * size * size };
};
const dense = (from: number, to: number): Layer => ({
  parameters: from * to + to,
  work: from * to,
});

/** https://arxiv.org/abs/1512.03385 at 224 px: two convolutions in a block, or a bottleneck. */
function resnet(depths: readonly number[], bottleneck: boolean): Layer[] {
  const layers = [conv(3, 64, { kernel: 7, size: 112 })];
  let channels = 64;
  depths.forEach((depth, stage) => {
    const width = 64 << stage;
    const to = bottleneck ? 4 * width : width;
    const size = 56 >> stage;
    for (let block = 0; block < depth; block++) {
      if (channels !== to) layers.push(conv(channels, to, { kernel: 1, size }));
      if (bottleneck) {
        // The stride is in the 3×3 convolution, so the first one sees the larger image.
        const before = block === 0 && stage > 0 ? 2 * size : size;
        layers.push(conv(channels, width, { kernel: 1, size: before }));
        layers.push(conv(width, width, { size }), conv(width, to, { kernel: 1, size }));
      } else layers.push(conv(channels, width, { size }), conv(width, width, { size }));
      channels = to;
    }
  });
  return [...layers, dense(channels, 1000)];
}

/** https://arxiv.org/abs/1409.1556 at 224 px; its convolutions have biases. */
function vgg(stages: readonly (readonly [convs: number, channels: number])[]): Layer[] {
  let [channels, size] = [3, 224];
  const layers: Layer[] = [];
  for (const [count, to] of stages) {
    for (let i = 0; i < count; i++) {
      const { parameters, work } = conv(channels, to, { size });
      layers.push({ parameters: parameters - to, work });
      channels = to;
    }
    size /= 2;
  }
  return [...layers, dense(512 * 7 * 7, 4096), dense(4096, 4096), dense(4096, 1000)];
}

export const NETWORKS: Readonly<Record<string, readonly Layer[]>> = {
  'ResNet-18': resnet([2, 2, 2, 2], false),
  'ResNet-50': resnet([3, 4, 6, 3], true),
  'VGG-16': vgg([
    [2, 64],
    [2, 128],
    [3, 256],
    [3, 512],
    [3, 512],
  ]),
};

const total = (layers: readonly Layer[], of: keyof Layer) =>
  layers.reduce((sum, layer) => sum + layer[of], 0);

/** A network between ranks. */
interface Network {
  /** Bytes a second that a rank sends, and as many that it receives. */
  readonly bandwidth: number;
  /** Seconds from one message to the next that depends on it. */
  readonly latency: number;
}

const GIGABIT = 1e9 / 8;
/** What is left of a line's rate for gradients. */
const USABLE = 0.9;
const NETWORKS_BETWEEN: Readonly<Record<string, Network>> = {
  '1 Gbit/s': { bandwidth: GIGABIT * USABLE, latency: 50e-6 }, // TCP
  '10 Gbit/s': { bandwidth: 10 * GIGABIT * USABLE, latency: 30e-6 }, // TCP
  '100 Gbit/s': { bandwidth: 100 * GIGABIT * USABLE, latency: 5e-6 }, // RDMA
};

/** Bytes a second that a thread adds to others, from and to memory. */
const ADDED = 8e9;
/** Seconds in which a thread makes a half of a float, and a float of a half: measured here. */
const [ENCODED, DECODED] = [0.86e-9, 0.56e-9];

type Compression = 'none' | 'float16';

/** Seconds in which `ranks` sum `count` floats. Thakur et al. 2005, 10.1177/1094342005051521. */
export function sumSeconds(
  count: number,
  { ranks, network, compression }: { ranks: number; network: Network; compression: Compression },
): number {
  const others = (ranks - 1) / ranks;
  const { bandwidth, latency } = network;
  if (compression === 'float16') {
    // All to all, a message for each other rank; the gathering in a ring doubles what is sent.
    const sent = (2 * others * 2 * count) / bandwidth + 2 * (ranks - 1) * latency;
    // Halves of all and of the sums of the own part; floats of the others' parts and of the result.
    return sent + count * ((1 + 1 / ranks) * ENCODED + 2 * DECODED);
  }
  // Halving and doubling: as many bytes as a ring, in fewer messages.
  const steps = 2 * Math.ceil(Math.log2(ranks));
  return (2 * others * 4 * count) / bandwidth + steps * latency + (others * 4 * count) / ADDED;
}

interface Simulated {
  /** Seconds of a step of one rank by itself. */
  readonly step: number;
  readonly ranks: number;
  readonly network: Network;
  readonly compression?: Compression;
}

/** Seconds of communication that the backward pass does not hide. */
export function unhidden(layers: readonly Layer[], simulated: Simulated): number {
  const { step, ranks, network, compression = 'none' } = simulated;
  const order = [...layers].reverse();
  const parameters = order.map(
    ({ parameters: size }, id) => ({ shape: [size], variable: { id } }) as unknown as Parameter,
  );
  const perWork = ((2 / 3) * step) / total(layers, 'work');
  let clock = step / 3;
  const ready = new Map(
    order.map(({ work }, i) => {
      clock += work * perWork;
      return [parameters[i] as Parameter, clock];
    }),
  );
  let free = 0;
  for (const { members, size } of bucketsOf(parameters)) {
    const complete = ready.get(members.at(-1)?.parameter as Parameter) as number;
    free = Math.max(free, complete) + sumSeconds(size, { ranks, network, compression });
  }
  return Math.max(0, free - step);
}

const efficiency = (layers: readonly Layer[], simulated: Simulated) =>
  simulated.step / (simulated.step + unhidden(layers, simulated));

/** Operations a second in training: of 16 cores, and of a GPU. */
const RANKS: Readonly<Record<string, number>> = { CPU: 1e12, GPU: 1e13 };
const BATCH = 64;
/** Forward and backward, a multiplication and an addition each. */
const OPERATIONS = 3 * 2;
/** Numbers of ranks; the slowest network is an office's. */
const SIZES: Readonly<Record<string, readonly number[]>> = {
  '1 Gbit/s': [8],
  '10 Gbit/s': [8, 64, 512],
  '100 Gbit/s': [8, 64, 512],
};

const WORDS = {
  en: {
    head: ['network, rank, step', 'MB'],
    ranks: (n: number) => `${n} ranks`,
    checks: ['check', 'published or measured', 'model'],
    horovod: '512 GPUs (P100), 25 Gbit/s, VGG-16, efficiency',
    waited: (title: string) => `2 ranks here, ${title}, ms of waiting a step`,
  },
  zh: {
    head: ['网络，进程的设备，每步时间', 'MB'],
    ranks: (n: number) => `${n} 个进程`,
    checks: ['核对', '已发表或实测', '模型'],
    horovod: '512 块 GPU（P100），25 Gbit/s，VGG-16，效率',
    waited: (title: string) => `本机 2 个进程，${title}，每步等待的毫秒数`,
  },
} as const;

const percent = (fraction: number) => `${Math.round(100 * fraction)} %`;
const seconds = (s: number) => (s < 1 ? `${Math.round(1000 * s)} ms` : `${s.toFixed(1)} s`);

/** Efficiency by network and number of ranks; after an arrow, with halves where that is another. */
function forecast(language: Language): string {
  const words = WORDS[language];
  const columns = Object.entries(NETWORKS_BETWEEN).flatMap(([name, network]) =>
    (SIZES[name] ?? []).map((ranks) => ({
      title: `${words.ranks(ranks)}, ${name}`,
      network,
      ranks,
    })),
  );
  const rows = Object.entries(NETWORKS).flatMap(([name, layers]) =>
    Object.entries(RANKS).map(([rank, speed]) => {
      const step = (OPERATIONS * BATCH * total(layers, 'work')) / speed;
      const cells = columns.map(({ network, ranks }) => {
        const [plain, halves] = (['none', 'float16'] as const).map((compression) =>
          percent(efficiency(layers, { step, ranks, network, compression })),
        );
        return plain === halves ? plain : `${plain} → ${halves}`;
      });
      const megabytes = (4 * total(layers, 'parameters')) / 1e6;
      return [`${name}, ${rank}, ${seconds(step)}`, megabytes.toFixed(0), ...cells];
    }),
  );
  return aligned([[...words.head, ...columns.map(({ title }) => title)], ...rows] as string[][]);
}

/** A P100 trains VGG-16 on 154 samples/s in batches of 64 (TensorFlow's benchmarks, May 2017). */
const P100_STEP = 64 / 154;
/** Of Horovod on 128 servers of 4 GPUs with RoCE (its docs/benchmarks). */
const HOROVOD = { network: { bandwidth: 25 * GIGABIT * USABLE, latency: 5e-6 }, ranks: 512 };
/** Between processes of the benchmark's machine: 45 MB were summed in 22 ms. */
const MEMORY: Network = { bandwidth: 45e6 / 22e-3, latency: 10e-6 };

/** Steps of the model next to steps that someone has measured. */
function checks(language: Language, results: Results): string {
  const words = WORDS[language];
  const vgg16 = NETWORKS['VGG-16'] as readonly Layer[];
  const resnet18 = NETWORKS['ResNet-18'] as readonly Layer[];
  const measured = results.rows.filter(({ unit }) => unit.startsWith('ms'));
  const rows = measured.map(({ title, series: [waited] }) => {
    const rate = results.rows.find((row) => row.title === title && row.unit === 'samples/s');
    const batch = Number(/batch (\d+)/.exec(title)?.[1]);
    const ms = waited?.median ?? Number.NaN;
    const step = batch / (rate?.series[0]?.median ?? Number.NaN) - ms / 1000;
    const model = 1000 * unhidden(resnet18, { step, ranks: 2, network: MEMORY });
    return [words.waited(title.replace(/^train /, '')), ms.toFixed(1), model.toFixed(1)];
  });
  const published = efficiency(vgg16, { step: P100_STEP, ...HOROVOD });
  return aligned([
    words.checks,
    [words.horovod, '68 %', percent(published)],
    ...rows,
  ] as string[][]);
}

const RESULTS = path.join(import.meta.dirname, 'results/distributed.json');

/** The tables of a page. */
export function simulation(language: Language): string {
  const results = JSON.parse(readFileSync(RESULTS, 'utf8')) as Results;
  return `${forecast(language)}\n\n${checks(language, results)}`;
}

export const languageOf = (page: string): Language => (page.includes('zh') ? 'zh' : 'en');

if (process.argv[1] === import.meta.filename) {
  const pages = process.argv.slice(2);
  if (pages.length === 0) console.log(simulation('en'));
  for (const page of pages) {
    const text = readFileSync(page, 'utf8');
    writeFileSync(page, between(text, simulation(languageOf(page)), 'simulation'));
    console.log(`wrote ${page}`);
  }
}
