/**
 * Measures deepend's speed next to PyTorch's, interleaved in one run because the absolute figures
 * of a shared machine drift: `npm run bench -- --against torch`, or a part of it, such as `npm run
 * bench -- train ResNet-18`, `scaling` or `kernels`. Figures are medians over rounds.
 */
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import { describeBuild, getThreads, setThreads, simdInfo } from '@deepend/backend-simd';
import { type Dataset, device, loadFashionMnist } from 'deepend';
import { jaxVersion, measureBrowser } from './browser';
import { measureRanks } from './distributed';
import { measureFunctions } from './functions';
import { type Contender, interleave } from './interleave';
import {
  GPU_FLOOR,
  GPU_JOBS,
  JOBS,
  type Job,
  type LoadJob,
  MODELS,
  type ModelJob,
  type ModelRow,
  matches,
  type NetJob,
  SOFTWARE_JOBS,
  tableOf,
  targetOf,
  titleOf,
} from './jobs';
import { measureKernels } from './kernels';
import { MAX_LOAD, type Options, parseOptions, refusePublication } from './options';
import { loadContender, netContender } from './own';
import {
  GPU_PEERS,
  gpuContenders,
  PEERS,
  type Peer,
  peerContender,
  peerContenders,
  startPeer,
} from './peer';
import { type Photographs, photographs, TIMES } from './photographs';
import { about, rowText, writeResults } from './report';
import type { Measured, Results, Row } from './results';
import { judge } from './stats';

const options = readOptions();
const rows: Row[] = [];
const absent: Record<string, string> = {};

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}

/** The requested backends that compute here; `absent` gets the others with the reason. */
async function backendsHere(names: Options['backends']): Promise<Options['backends'][number][]> {
  const here: Options['backends'][number][] = [];
  for (const name of names) {
    try {
      await device(name);
      here.push(name);
    } catch (error) {
      absent[name] = (error as Error).message;
    }
  }
  return here;
}

async function peerHere({ against, device: gpu }: Options): Promise<Peer | undefined> {
  if (!against && !gpu) return undefined;
  try {
    return await startPeer({ cuda: gpu !== undefined });
  } catch (error) {
    absent.PyTorch = (error as Error).message;
    return undefined;
  }
}

function onRow(measured: Measured): void {
  const row = judge(measured);
  rows.push(row);
  console.log(rowText(row));
  // After each row: a run that is ended early has left what it measured.
  if (options.out) writeResults(options.out, results());
}

const load = loadavg()[0] ?? 0;
const refusal = refusePublication(options.out, load);
if (refusal) {
  console.error(`[bench] ${refusal}`);
  process.exit(1);
}
if (load > MAX_LOAD)
  console.log(`other work runs on this machine (load ${load.toFixed(1)}): ratios will be off`);
const backends = await backendsHere(options.backends);
if (backends.length === 0) {
  console.error(`[bench] none of the backends computes here: ${JSON.stringify(absent)}`);
  process.exit(1);
}
const peer = await peerHere(options);
if (options.threads) setThreads(options.threads);
// Rows of other builds follow: the last one would be named.
const build = options.section === 'browser' ? 'WebAssembly' : describeBuild();

function results(): Results {
  const { rounds, seconds } = options;
  const jax = options.section === 'browser' ? jaxVersion() : undefined;
  const versions: Record<string, string> = {
    ...(peer && { PyTorch: `${peer.version}, ${peer.threads} threads` }),
    ...(jax && { 'jax-js': jax }),
  };
  return {
    about: about({
      versions,
      build,
      threads: getThreads(),
      rounds,
      seconds,
      absent,
    }),
    rows,
  };
}

/** What loading jobs load. */
interface Sets {
  readonly clothes: Dataset | undefined;
  readonly photos: Photographs | undefined;
}

function contendersFor(job: Job, sets: Sets): Contender[] {
  if (job.kind === 'load') return loadContenders(job, sets);
  const own = backends.flatMap((backend) => ownContenders(job, backend));
  return [...own.slice(0, 1), ...(peer ? peersFor(peer, job) : []), ...own.slice(1)];
}

function peersFor(peer: Peer, job: NetJob | ModelJob): Contender[] {
  if (job.kind !== 'step') return peerContenders(peer, job);
  const row: ModelRow = MODELS[job.model];
  const asked = { ...job, parameters: row.parameters };
  return row.isImage ? peerContenders(peer, asked) : [peerContender(peer, asked)];
}

/** A backend, and where it has a native build, its WebAssembly build too. */
function ownContenders(job: NetJob | ModelJob, backend: Options['backends'][number]): Contender[] {
  const { builds } = backend === 'simd' ? simdInfo() : { builds: [] };
  const build = builds.length > 1 ? builds.at(-1) : undefined;
  return [
    netContender(job, { backend }),
    ...(build ? [netContender(job, { backend, build, name: 'simd, WebAssembly' })] : []),
  ];
}

function loadContenders(job: LoadJob, { clothes, photos }: Sets): Contender[] {
  const dataset = job.photographs ? photos?.dataset : clothes;
  if (!dataset) return [];
  const files = job.photographs
    ? { folder: photos?.folder, times: TIMES }
    : { images: path.join(dataset.source ?? '', 'train-images-idx3-ubyte.gz') };
  return [
    loadContender(job, { backend: backends[0] ?? 'cpu-js', dataset }),
    ...(peer ? [peerContender(peer, { ...job, ...files })] : []),
  ];
}

/** Training, inference and loading: each backend, and PyTorch. */
async function speed(): Promise<void> {
  const jobs = JOBS.filter((job) => matches(job, options.words));
  const loads = jobs.filter((job) => job.kind === 'load');
  const clothes = loads.some((job) => !job.photographs) ? await datasetHere() : undefined;
  const photos = loads.some((job) => job.photographs) ? await photographs() : undefined;
  try {
    for (const job of jobs) {
      const series = await interleave(contendersFor(job, { clothes, photos }), options);
      const row = {
        kind: tableOf(job),
        title: titleOf(job),
        unit: 'samples/s',
        reference: PEERS,
        target: targetOf(job, { isNative: backends[0] === 'simd' && build.startsWith('native') }),
      };
      if (series.length > 0) onRow({ ...row, series });
    }
  } finally {
    if (photos) rmSync(photos.folder, { recursive: true });
  }
}

async function datasetHere(): Promise<Dataset | undefined> {
  try {
    const [{ dataset }] = await loadFashionMnist(128, { progress: false });
    return dataset;
  } catch (error) {
    absent.loading = (error as Error).message;
    console.log(`without loading: ${(error as Error).message.split('\n')[0]}`);
    return undefined;
  }
}

/** Training on the GPU, beside PyTorch's on the same one. With words, other nets too. */
async function onGpu(): Promise<void> {
  const { hardware } = await device('webgpu:0');
  const software = hardware.includes('software adapter');
  console.log(hardware);
  if (software)
    console.log('its figures tell nothing of a GPU: they show that the command works\n');
  const usual = software ? SOFTWARE_JOBS : GPU_JOBS;
  const nets = [...usual, ...JOBS].filter(
    (job): job is NetJob =>
      (job.kind === 'train' || job.kind === 'infer') && matches(job, options.words),
  );
  for (const job of options.words.length > 0 ? nets : usual) {
    const contenders = [
      netContender(job, { backend: 'webgpu' }),
      ...(peer ? gpuContenders(peer, job) : []),
    ];
    const series = await interleave(contenders, options);
    const isUsual = GPU_JOBS.includes(job);
    if (isUsual) series.push({ name: 'floor', rounds: [GPU_FLOOR], median: GPU_FLOOR });
    const target = isUsual ? job.target : undefined;
    onRow({
      kind: job.kind,
      title: titleOf(job),
      unit: 'samples/s',
      series,
      reference: GPU_PEERS,
      target,
    });
  }
}

/** The same training step on two threads and on one. */
async function scaling(): Promise<void> {
  const job: NetJob = { kind: 'train', net: 'resnet18', size: 96, batch: 64 };
  const contenders = [2, 1].map((threads) => {
    const name = threads === 1 ? '1 thread' : `${threads} threads`;
    return netContender(job, { backend: 'simd', threads, name });
  });
  const before = getThreads();
  const series = await interleave(contenders, options);
  setThreads(before);
  onRow({
    kind: 'scaling',
    title: titleOf(job),
    unit: 'samples/s',
    series,
    reference: ['1 thread'],
    target: 1.8,
  });
}

const { processor, cores, node } = results().about;
console.log(
  `${processor}, ${cores} cores; Node ${node}; simd: ${describeBuild()}, ${getThreads()} threads`,
);
if (peer) console.log(`beside PyTorch ${peer.version}, ${peer.threads} threads`);
for (const [name, why] of Object.entries(absent)) console.log(`without ${name}: ${why}`);
console.log(`medians of ${options.rounds} rounds of ${options.seconds} s\n`);
const sections = {
  speed,
  scaling,
  distributed: () => measureRanks({ ...options, onRow }),
  browser: () => measureBrowser({ ...options, onRow }),
  kernels: async () => {
    await measureKernels({ ...options, peer, onRow });
    await measureFunctions({ ...options, peer, onRow });
  },
};
await (options.device ? onGpu() : sections[options.section]());
if (rows.length === 0) console.log(`nothing was measured for '${options.words.join(' ')}'`);
peer?.close();
process.exit(0); // an backend's threads may hold the process
