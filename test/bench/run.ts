/**
 * Speed beside PyTorch, interleaved in one run, since the absolute figures of a shared machine drift: `npm run bench`, or a part of it:
 * `npm run bench -- resnet18`. Each figure is the median of rounds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { parseArgs } from 'node:util';
import { createModel, DataLoader, loadFashionMnist, train, tryGpu } from 'deepend';

type Job =
  | { kind: 'train'; net: string; size: number; batch: number; seconds: number }
  | { kind: 'load'; size: number; batch: number; seconds: number; images: string };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' } },
});
const seconds = Number(values.seconds);
const [trainIter] = await loadFashionMnist(128, { progress: false });
const images = path.join(trainIter.dataset.source ?? '', 'train-images-idx3-ubyte.gz');

const trainJob = (net: string, size: number, batch: number): Job => ({ kind: 'train', net, size, batch, seconds });
const JOBS: Job[] = [
  trainJob('resnet8', 28, 64),
  trainJob('resnet18', 28, 128),
  trainJob('resnet18', 96, 64),
  trainJob('resnet18', 224, 16),
  ...[28, 96, 224].map((size): Job => ({ kind: 'load', size, batch: 128, seconds, images })),
];
const title = (job: Job) =>
  job.kind === 'train' ? `train ${job.net}, ${job.size} px, batch ${job.batch}` : `load ${job.size} px, batch ${job.batch}`;

/** A round of deepend's: samples per second. */
async function own(job: Job): Promise<number> {
  if (job.kind === 'load') {
    const loader = new DataLoader(trainIter.dataset, { batchSize: job.batch, shuffle: true, resize: job.size });
    let [seen, start] = [0, 0];
    for await (const { features, labels } of loader) {
      features.dispose();
      labels.dispose();
      if (start > 0) seen += job.batch;
      start ||= performance.now();
      if (performance.now() - start > 1000 * job.seconds) break;
    }
    return seen / ((performance.now() - start) / 1000);
  }
  const net = createModel(`book/${job.net}`, { inputShape: [job.size, job.size, 1] });
  const times: number[] = [];
  let last = Number.NaN;
  const begin = performance.now();
  const enough = new Error('enough');
  const onStep = () => {
    const now = performance.now();
    if (times.length > 0 || Number.isFinite(last)) times.push(now - last);
    last = performance.now();
    if (times.length >= 2 && now - begin > 1000 * job.seconds) throw enough;
  };
  const resized = job.size === 28 ? {} : { resize: job.size };
  const loader = new DataLoader(trainIter.dataset, { batchSize: job.batch, shuffle: true, ...resized });
  await train(net, loader, null, { numEpochs: 9, lr: 0.01, progress: false, callbacks: [{ onStep }] }).catch((error: unknown) => {
    if (error !== enough) throw error;
  });
  net.dispose();
  return job.batch / (median(times) / 1000);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? 0) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0)) / 2;
}

interface Peer {
  name: string;
  ask(job: Job): Promise<number | string>;
  child: ChildProcess;
}

/** PyTorch in Python, where there is one; a text says why not. */
async function startPeer(): Promise<Peer | string> {
  const child = spawn('python3', [path.join(import.meta.dirname, 'peer.py')], { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const line = await Promise.race([lines.next(), failed]);
    return line && !line.done ? (JSON.parse(line.value) as { peer?: string; rate?: number; fault?: string }) : undefined;
  };
  const hello = await answer();
  if (!hello?.peer) return 'no peer: python3 with torch is not here';
  const ask = async (job: Job) => {
    child.stdin.write(`${JSON.stringify(job)}\n`);
    const reply = await answer();
    return reply?.rate ?? reply?.fault ?? 'it ended';
  };
  return { name: hello.peer, ask, child };
}

const device = await tryGpu();
const peer = await startPeer();
console.log(`deepend on ${device.name}, ${device.engine}: ${device.hardware}`);
console.log(typeof peer === 'string' ? peer : `beside ${peer.name}`);
console.log(`samples per second, medians of ${values.rounds} rounds of ${seconds} s\n`);
for (const job of JOBS.filter((one) => positionals.every((word) => title(one).includes(word)))) {
  const [mine, theirs]: [number[], number[]] = [[], []];
  let fault = '';
  for (let round = 0; round < Number(values.rounds); round++) {
    mine.push(await own(job));
    const rate = typeof peer === 'string' ? peer : await peer.ask(job);
    if (typeof rate === 'number') theirs.push(rate);
    else fault = rate;
  }
  const beside =
    theirs.length > 0 ? `${median(theirs).toFixed(1).padStart(9)}  ratio ${(median(mine) / median(theirs)).toFixed(2)}` : fault;
  console.log(`${title(job).padEnd(36)} ${median(mine).toFixed(1).padStart(9)} ${beside}`);
}
if (typeof peer !== 'string') peer.child.kill();
