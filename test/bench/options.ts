/** What `npm run bench` may be asked for. */
import { parseArgs } from 'node:util';

const ENGINES = ['simd', 'wasm', 'tensorflow'] as const;
export type BenchEngine = (typeof ENGINES)[number];

export const SECTIONS = ['speed', 'scaling', 'kernels'] as const;

export interface Options {
  /** `speed`: training, inference and loading. */
  readonly section: (typeof SECTIONS)[number];
  /** Words that a row's title must have. */
  readonly words: readonly string[];
  readonly against: 'torch' | undefined;
  /**
   * A GPU instead of the CPU's engines: its own jobs, beside PyTorch on CUDA where that is there.
   */
  readonly device: 'webgpu' | undefined;
  readonly engines: readonly (BenchEngine | 'webgpu')[];
  readonly threads: number | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly out: string | undefined;
}

export const USAGE = `npm run bench -- [scaling | kernels] [WORD ...] [options]
  --against torch      measure PyTorch beside it, in both memory formats
  --device webgpu      training on the GPU, beside PyTorch on CUDA (fp32 and TF32) where it is
  --engines A,B        of ${ENGINES.join(', ')} (default: all that are here)
  --threads N          of the simd engine (default: its own choice)
  --rounds N           (default 5)
  --seconds S          of each contender in each round (default 4; kernels 0.3)
  --out FILE           write every figure as JSON`;

/** @throws RangeError with the usage for what it does not know */
export function parseOptions(argv: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const known = {
    against: text,
    device: text,
    engines: text,
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
  if (values.device !== undefined && (values.device !== 'webgpu' || section || values.engines))
    fail(`--device ${values.device}`);
  const engines = values.engines?.split(',') ?? ENGINES;
  const unknown = engines.find((engine) => !(ENGINES as readonly string[]).includes(engine));
  if (unknown !== undefined) fail(`--engines ${unknown}`);
  return {
    section: section ?? 'speed',
    words: section ? positionals.slice(1) : positionals,
    against: values.against as 'torch' | undefined,
    device: values.device as 'webgpu' | undefined,
    engines: values.device ? ['webgpu'] : (engines as readonly BenchEngine[]),
    threads: values.threads === undefined ? undefined : number('threads', values.threads, true),
    rounds: number('rounds', values.rounds ?? '5', true),
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
