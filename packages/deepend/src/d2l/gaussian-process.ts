/** Gaussian processes in one dimension: chapter 18 of the English edition. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { sfc32 } from '@deepend/data';

type Numbers = ArrayLike<number>;
type Rows = readonly Numbers[];

const LENGTH_SCALE = rule.object({ ls: rule.positiveNumber() });

/**
 * Section 18.2: the radial basis function kernel exp(−(x₁ − x₂)² / (2·ls)) between all points.
 * @param ls the length scale as the book uses it, which divides the squared distance @default 4
 * @returns `[x1.length][x2.length]`
 */
export function rbfkernel(x1: Numbers, x2: Numbers, ls = 4): number[][] {
  checkOptions('[deepend] d2l.rbfkernel', LENGTH_SCALE, { ls });
  const others = Array.from(x2);
  return Array.from(x1, (a) => others.map((b) => Math.exp(-((a - b) ** 2) / (2 * ls))));
}

/** Added to the diagonal of a covariance without noise, which is singular but for rounding. */
const JITTER = 1e-8;

/** The lower triangle L with L·Lᵀ = `matrix`. @throws RangeError if it is not positive definite */
function cholesky(where: string, matrix: Rows): number[][] {
  const L: number[][] = [];
  for (const [i, row] of matrix.entries()) {
    const current: number[] = [];
    for (let j = 0; j <= i; j++) {
      const other = j === i ? current : (L[j] as number[]);
      let sum = row[j] as number;
      for (let k = 0; k < j; k++) sum -= (current[k] as number) * (other[k] as number);
      if (j === i && !(sum > 0)) {
        throw new RangeError(
          `${where}: expected a positive definite covariance, got a pivot of ${sum} in row ${i}; ` +
            'add noise, or leave points out that are there twice',
        );
      }
      current.push(j === i ? Math.sqrt(sum) : sum / (other[j] as number));
    }
    L.push(current);
  }
  return L;
}

/** The solution y of L·y = b. */
function forward(L: Rows, b: Numbers): number[] {
  const y: number[] = [];
  for (const [i, row] of L.entries()) {
    let sum = b[i] as number;
    for (let k = 0; k < i; k++) sum -= (row[k] as number) * (y[k] as number);
    y.push(sum / (row[i] as number));
  }
  return y;
}

const dot = (a: Numbers, b: Numbers): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);

const withDiagonal = (matrix: Rows, value: number): number[][] =>
  matrix.map((row, i) => Array.from(row, (at, j) => (i === j ? at + value : at)));

export interface GpOptions {
  /** Length scale of `rbfkernel`. @default 4 */
  ls?: number;
  /** Standard deviation of the noise of the observations. @default 0 */
  noise?: number;
}

export interface GpPosterior {
  /** At each test point. */
  readonly mean: number[];
  /** Of the function without noise, at each test point. */
  readonly std: number[];
  /** Between all test points. */
  readonly cov: number[][];
  /** log p(trainY), by which hyperparameters are chosen: the larger the better. */
  readonly logMarginalLikelihood: number;
}

const GP = rule.object({
  ls: rule.positiveNumber().default(4),
  noise: rule.nonNegativeNumber().default(0),
});

/**
 * Section 18.3: the posterior of a Gaussian process with mean 0 and the kernel of `rbfkernel`,
 * given observations.
 * @throws RangeError when the numbers of points differ, one is not finite, or the covariance is
 *   singular
 * @example
 * const { mean, std } = d2l.gpPosterior([trainX, trainY], testX, { ls: 0.3, noise: 0.2 });
 */
export function gpPosterior(
  [trainX, trainY]: readonly [x: Numbers, y: Numbers],
  testX: Numbers,
  options: GpOptions = {},
): GpPosterior {
  const where = '[deepend] d2l.gpPosterior';
  const { ls, noise } = checkOptions(where, GP, options);
  const all = [trainX, trainY, testX].flatMap((values) => Array.from(values));
  const bad = all.find((value) => !Number.isFinite(value));
  if (trainX.length !== trainY.length || trainX.length === 0 || bad !== undefined) {
    throw new RangeError(
      `${where}: expected finite numbers, as many trainY as trainX, got ${trainX.length} trainX ` +
        `and ${trainY.length} trainY${bad === undefined ? '' : `, with ${formatValue(bad)}`}; ` +
        'remove what has no observation',
    );
  }
  const kernel = withDiagonal(rbfkernel(trainX, trainX, ls), noise ** 2 + JITTER);
  const L = cholesky(where, kernel);
  const y = forward(L, trainY); // L⁻¹y
  const V = rbfkernel(testX, trainX, ls).map((row) => forward(L, row)); // L⁻¹k for each test point
  const cov = rbfkernel(testX, testX, ls).map((row, i) =>
    row.map((value, j) => value - dot(V[i] as number[], V[j] as number[])),
  );
  const logDeterminant = 2 * L.reduce((sum, row, i) => sum + Math.log(row[i] as number), 0);
  const constant = trainX.length * Math.log(2 * Math.PI);
  return {
    mean: V.map((row) => dot(row, y)),
    std: cov.map((row, i) => Math.sqrt(Math.max(0, row[i] as number))),
    cov,
    logMarginalLikelihood: -(dot(y, y) + logDeterminant + constant) / 2,
  };
}

const SAMPLES = rule.object({ size: rule.positiveInteger(), seed: rule.seed().optional() });

const ROUNDING = 1e-6; // of the largest variance

/** @throws RangeError for means that are not finite, and a matrix that is not symmetric */
function checkNumbers(where: string, mean: Numbers, cov: Rows): void {
  const largest = Math.max(...cov.map((row, i) => Math.abs(row[i] as number)));
  const isAsAcross = (value: number, i: number, j: number) =>
    Math.abs(value - (cov[j]?.[i] as number)) <= ROUNDING * largest;
  const isSymmetric = cov.every((row, i) =>
    Array.from(row).every((value, j) => isAsAcross(value, i, j)),
  );
  if (isSymmetric && Array.from(mean).every(Number.isFinite)) return;
  throw new RangeError(
    `${where}: expected finite means and a symmetric covariance of finite numbers, got ` +
      `${isSymmetric ? formatValue(Array.from(mean)) : 'another matrix'}; pass [mean, covariance]`,
  );
}

/**
 * Section 18.2: samples of a multivariate normal distribution, such as functions of a Gaussian
 * process: numpy's `random.multivariate_normal`.
 * @param size number of samples
 * @param options.seed @default 0
 * @returns `[size][mean.length]`
 * @throws RangeError when `cov` is not a covariance of as many numbers as `mean`, or a mean is not
 *   finite
 */
export function multivariateNormal(
  [mean, cov]: readonly [mean: Numbers, cov: Rows],
  size: number,
  options: { seed?: number } = {},
): number[][] {
  const where = '[deepend] d2l.multivariateNormal';
  const { seed = 0 } = checkOptions(where, SAMPLES, { ...options, size });
  if (cov.length !== mean.length || cov.some((row) => row.length !== mean.length)) {
    throw new RangeError(
      `${where}: expected a covariance of [${mean.length}][${mean.length}], got ` +
        `[${cov.length}][${cov[0]?.length ?? 0}]`,
    );
  }
  checkNumbers(where, mean, cov);
  const next = sfc32(seed);
  const uniform = () => (next() + 0.5) / 2 ** 32;
  // Box and Muller 1958
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const L = cholesky(where, withDiagonal(cov, JITTER));
  return Array.from({ length: size }, () => {
    const z = Array.from(mean, normal);
    return Array.from(mean, (value, i) => value + dot(L[i] as number[], z));
  });
}
