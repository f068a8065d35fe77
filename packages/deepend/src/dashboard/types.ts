/** What the dashboard's server sends to its page, as JSON. */

/**
 * `silent`: no word of its end, and no news for longer than an epoch took; the machine or the
 * process may be gone. `interrupted` and `failed`
 * are what a run itself wrote down.
 */
export type RunState = 'running' | 'finished' | 'interrupted' | 'failed' | 'silent';

/** A run as a row of the list. What its files do not tell is null. */
export interface RunSummary {
  /**
   * Its folder below the dashboard's, with `/` between names; `.` when it is that folder itself.
   */
  readonly id: string;
  readonly name: string;
  readonly model: string | null;
  readonly data: string | null;
  readonly device: string | null;
  readonly state: RunState;
  /** Why it ended before its last epoch. */
  readonly reason: string | null;
  /** Epochs that are done, with the part of the present one: 2.4. */
  readonly epoch: number;
  readonly numEpochs: number | null;
  /** Of a running run, at the pace of its last epochs. */
  readonly secondsLeft: number | null;
  readonly loss: number | null;
  readonly trainAcc: number | null;
  readonly testAcc: number | null;
  readonly samplesPerSecond: number | null;
  /** Milliseconds since 1970: when it began or was taken up again, and when its files last grew. */
  readonly started: number;
  readonly lastNews: number;
}

/** The machine at one moment. */
export interface LoadSample {
  /** Milliseconds since 1970, by the server's clock. */
  readonly time: number;
  /** Share of all cores that are busy, 0 to 1. */
  readonly cpu: number;
  /** Bytes. */
  readonly memoryUsed: number;
  readonly memoryTotal: number;
  readonly gpus: readonly GpuSample[];
}

export interface GpuSample {
  readonly name: string;
  /** Share of time that it computed, 0 to 1; null where the driver does not tell. */
  readonly busy: number | null;
  /** Bytes. */
  readonly memoryUsed: number | null;
  readonly memoryTotal: number | null;
}

/** A search of hyperparameters. What its files do not tell is null. */
export interface SearchSummary {
  /** Its folder, as a run's. */
  readonly id: string;
  readonly name: string;
  readonly scheduler: string | null;
  readonly trials: number;
  readonly results: number;
  readonly failures: number;
  /** Whether there are older results, which are not counted or drawn. */
  readonly cut: boolean;
  /** Milliseconds since 1970. */
  readonly lastResult: number | null;
  /** Of the largest budget so far. */
  readonly best: {
    readonly error: number;
    readonly budget: number;
    readonly config: string | null;
  } | null;
}

/** The pictures of a search, in the page's order. */
export const SEARCH_CHARTS = {
  best: 'least error so far',
  curves: 'errors of trials over their budgets',
  configurations: 'errors of configurations',
} as const;

export type SearchChart = keyof typeof SEARCH_CHARTS;

/** The news: the first has all runs, later ones what changed. */
export interface News {
  /** All of them; absent when none changed. */
  readonly searches?: readonly SearchSummary[];
  readonly runs: readonly RunSummary[];
  readonly gone: readonly string[];
  /** Whether `runs` is all there is. */
  readonly whole: boolean;
  /** Whether there are more folders than the dashboard looks through. */
  readonly cut: boolean;
}

export interface Picture {
  /** As the page asks for it. */
  readonly url: string;
  readonly name: string;
}

/** A setting that the runs do not share, as text; null where a run lacks it. */
export interface Difference {
  readonly setting: string;
  readonly values: readonly (string | null)[];
}

/** What the page shows of the chosen runs in addition to charts. */
export interface Comparison {
  readonly ids: readonly string[];
  readonly differences: readonly Difference[];
  /** Settings that are the same in all. */
  readonly shared: readonly { readonly setting: string; readonly value: string }[];
  readonly pictures: readonly (readonly Picture[])[];
}

/** The charts, in the page's order. */
export const METRICS = {
  loss: 'training loss',
  trainAcc: 'training accuracy',
  testAcc: 'test accuracy',
  samplesPerSecond: 'samples per second',
} as const;

export type Metric = keyof typeof METRICS;

/** Runs that one picture can tell apart. */
export const MOST_CHOSEN = 24;
