/** The shape of a results file. */

/** The rounds of one contender. */
export interface Series {
  /** An backend of deepend's, `PyTorch, channels last`, `peak`, ... */
  readonly name: string;
  readonly rounds: readonly number[];
  readonly median: number;
  /** Why it was not measured, or not to the end. */
  readonly fault?: string;
}

export type Kind = 'train' | 'infer' | 'load' | 'scaling' | 'kernels' | 'distributed' | 'browser';

/** One thing measured: by every contender, interleaved round by round. */
export interface Measured {
  readonly kind: Kind;
  readonly title: string;
  readonly unit: string;
  /** The first is deepend's own, whose ratio is taken. */
  readonly series: readonly Series[];
  /** The series that it is measured against: the best of them counts. */
  readonly reference: readonly string[];
  /** The least ratio that is wanted. */
  readonly target?: number;
}

export interface Row extends Measured {
  readonly ratio?: number;
  readonly met?: boolean;
}

export interface Results {
  readonly about: {
    readonly date: string;
    readonly command: string;
    readonly processor: string;
    readonly cores: number;
    readonly memoryGiB: number;
    /**
     * Processes that wanted to run in the minute before the file was written, this one's threads
     * among them.
     */
    readonly loadAverage: number;
    readonly platform: string;
    readonly node: string;
    readonly versions: Readonly<Record<string, string>>;
    /** Which build of the simd backend's module ran, and on how many threads. */
    readonly build: string;
    readonly threads: number;
    readonly rounds: number;
    readonly seconds: number;
    /** What was not there to measure, and why. */
    readonly absent: Readonly<Record<string, string>>;
  };
  readonly rows: readonly Row[];
}
