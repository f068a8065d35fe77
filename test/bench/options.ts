/** What `npm run bench` may be asked for. */
import path from 'node:path';
import { parseArgs } from 'node:util';

const BACKENDS = ['simd', 'wasm', 'tensorflow'] as const;
export type BenchBackend = (typeof BACKENDS)[number];

export const SECTIONS = ['speed', 'scaling', 'kernels', 'distributed', 'browser'] as const;

/** Results in this folder are published: README and docs show them. */
const PUBLISHED = path.join(import.meta.dirname, 'results');
export const MIN_PUBLISHED_ROUNDS = 5;
/** The highest load average, in processes, at which results may be measured for publication. */
export const MAX_LOAD = 0.5;

/** Whether a results file is one that README and docs show. */
export const isPublished = (file: string | undefined): boolean =>
  file !== undefined && path.dirname(path.resolve(file)) === PUBLISHED;

/** Why results cannot be measured for publication at this load; undefined where they can. */
export const refusePublication = (file: string | undefined, load: number): string | undefined =>
  isPublished(file) && load > MAX_LOAD
    ? `the load is ${load.toFixed(1)}, above ${MAX_LOAD}: nothing is measured for ${file}; wait until no other work runs`
    : undefined;

export interface Options {
  /** `speed`: training, inference and loading. */
  readonly section: (typeof SECTIONS)[number];
  /** Words that a row's title must have. */
  readonly words: readonly string[];
  readonly against: 'torch' | undefined;
  /**
   * A GPU instead of the CPU's backends: its own jobs, next to PyTorch on CUDA if present.
   */
  readonly device: 'webgpu' | undefined;
  readonly backends: readonly (BenchBackend | 'webgpu')[];
  readonly threads: number | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly out: string | undefined;
}

export const USAGE = `npm run bench -- [scaling | kernels | distributed | browser] [WORD ...] [options]
  --against torch      measure PyTorch too, in both memory formats
  --device webgpu      training on the GPU, next to PyTorch on CUDA (fp32 and TF32) if present
  --backends A,B       of ${BACKENDS.join(', ')} (default: all that compute here)
  --threads N          threads of the simd backend (default: its own choice)
  --rounds N           (default 5)
  --seconds S          seconds for each contender in each round (default 4; kernels 0.3)
  --out FILE           write every figure as JSON; files in test/bench/results are published, so
                       they need at least ${MIN_PUBLISHED_ROUNDS} rounds and a load of at most ${MAX_LOAD}`;

/** @throws RangeError with the usage for what it does not know */
export function parseOptions(argv: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const known = {
    against: text,
    device: text,
    backends: text,
    threads: text,
    rounds: text,
    seconds: text,
    out: text,
  };
  const unasked = argv.find(
    (word) => word.startsWith('--') && !Object.hasOwn(known, word.slice(2).split('=')[0] ?? ''),
  );
  if (unasked) fail(unasked);
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: known,
  });
  const [first = ''] = positionals;
  const section = (SECTIONS as readonly string[]).includes(first)
    ? (first as Options['section'])
    : undefined;
  if (values.against !== undefined && values.against !== 'torch')
    fail(`--against ${values.against}`);
  if (values.device !== undefined && (values.device !== 'webgpu' || section || values.backends))
    fail(`--device ${values.device}`);
  const backends = values.backends?.split(',') ?? BACKENDS;
  const unknown = backends.find((backend) => !(BACKENDS as readonly string[]).includes(backend));
  if (unknown !== undefined) fail(`--backends ${unknown}`);
  const rounds = number('rounds', values.rounds ?? '5', true);
  if (isPublished(values.out) && rounds < MIN_PUBLISHED_ROUNDS)
    fail(`--rounds ${rounds} for published results (at least ${MIN_PUBLISHED_ROUNDS})`);
  return {
    section: section ?? 'speed',
    words: section ? positionals.slice(1) : positionals,
    against: values.against as 'torch' | undefined,
    device: values.device as 'webgpu' | undefined,
    backends: values.device ? ['webgpu'] : (backends as readonly BenchBackend[]),
    threads: values.threads === undefined ? undefined : number('threads', values.threads, true),
    rounds,
    seconds: number('seconds', values.seconds ?? (section === 'kernels' ? '0.3' : '4'), false),
    out: values.out,
  };
}

function number(name: string, value: string, whole: boolean): number {
  const parsed = Number(value);
  if (!(parsed > 0 && Number.isFinite(parsed)) || (whole && !Number.isInteger(parsed)))
    fail(`--${name} ${value}`);
  return parsed;
}

function fail(what: string): never {
  throw new RangeError(`[bench] ${what} is not what it takes:\n${USAGE}`);
}
