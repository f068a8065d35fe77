/** PyTorch in Python, in a process of its own. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import type { Contender } from './interleave';

interface Answer {
  version?: string;
  threads?: number;
  rate?: number;
  fault?: string;
}

export interface Peer {
  readonly version: string;
  readonly threads: number;
  /** One round of a job, as peer.py describes it. */
  ask(job: object): Promise<number>;
  close(): void;
}

/** Both ways to lay out images; the faster counts. */
const FORMATS = [
  ['PyTorch, channels last', 'channels_last'],
  ['PyTorch, channels first', 'contiguous'],
] as const;

/** What a row with these contenders has for its reference. */
export const PEERS: readonly string[] = ['PyTorch', ...FORMATS.map(([name]) => name)];

const PRECISIONS = ['fp32', 'TF32'] as const;
const gpuName = (precision: string, format: string) =>
  `${format.replace('PyTorch', `PyTorch ${precision}`)}`;
/** The same of a GPU's row. */
export const GPU_PEERS: readonly string[] = PRECISIONS.flatMap((precision) =>
  FORMATS.map(([name]) => gpuName(precision, name)),
);

/** @throws Error where python3 has no torch, or none that sees a GPU when that is asked for */
export async function startPeer({ cuda = false } = {}): Promise<Peer> {
  const args = [path.join(import.meta.dirname, 'peer.py'), ...(cuda ? ['--cuda'] : [])];
  const child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)));
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<Answer | undefined> => {
    const line = await Promise.race([lines.next(), failed]);
    return line && !line.done ? (JSON.parse(line.value) as Answer) : undefined;
  };
  const hello = await answer();
  if (hello?.fault) throw new Error(hello.fault);
  if (!hello?.version)
    throw new Error('python3 with torch is not here; pip install torch torchvision');
  const ask = async (job: object) => {
    child.stdin.write(`${JSON.stringify(job)}\n`);
    const reply = await answer();
    if (reply?.rate !== undefined) return reply.rate;
    throw new Error(reply?.fault ?? 'PyTorch ended');
  };
  return { version: hello.version, threads: hello.threads ?? 1, ask, close: () => child.kill() };
}

/**
 * A job in each memory format. @param scale what one call of the job is worth, in the row's unit
 */
export function peerContenders(
  peer: Peer,
  job: object,
  { scale = 1 }: { scale?: number } = {},
): Contender[] {
  return FORMATS.map(([name, format]) => ({
    name,
    round: async (seconds) => scale * (await peer.ask({ ...job, format, seconds })),
    dispose: async () => void (await peer.ask({ kind: 'forget' })),
  }));
}

/** A job on CUDA: in each memory format, with products in fp32 and in TF32. */
export const gpuContenders = (peer: Peer, job: object): Contender[] =>
  PRECISIONS.flatMap((precision) =>
    peerContenders(peer, { ...job, tf32: precision === 'TF32' }).map((one) => ({
      ...one,
      name: gpuName(precision, one.name),
    })),
  );

/** A job that has no memory format. */
export function peerContender(
  peer: Peer,
  job: object,
  { scale = 1 }: { scale?: number } = {},
): Contender {
  return {
    name: 'PyTorch',
    round: async (seconds) => scale * (await peer.ask({ ...job, seconds })),
  };
}
