/** Whether all rows and repetitions run: `npm run test:full`, and CI. */
export const isFull = process.env.DEEPEND_FULL === '1';

/** All rows in a full run; by default those that `representative` picks. */
export const rowsOf = <T>(all: readonly T[], representative: (row: T) => boolean): readonly T[] =>
  isFull ? all : all.filter(representative);

/** How often a property is tried: all times in a full run, by default a few times. */
export const runsOf = (all: number): number =>
  isFull ? all : Math.min(all, 3 + Math.ceil(all / 25));
