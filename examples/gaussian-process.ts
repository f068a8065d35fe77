/**
 * Functions of a Gaussian process, and what it believes after some noisy observations, chapter 18
 * of Dive into Deep Learning. The length scale is the one that makes the observations likeliest:
 * npm run example examples/gaussian-process.ts -- --points 50
 */
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { d2l, plot, plots } from 'deepend';

const DEFAULTS = {
  points: 20, // observations
  noise: 0.25, // standard deviation
  samples: 5, // functions that are drawn
  seed: 0,
  out: 'runs/gaussian-process',
};
const option = (value: unknown) => ({ type: 'string' as const, default: String(value) });
const options = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [name, option(value)]),
);
const args = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
const values = args.values as Record<string, string | boolean | undefined>;
if (values.help) {
  for (const [name, value] of Object.entries(DEFAULTS)) console.log(`--${name} (${value})`);
  process.exit();
}
const number = (name: keyof typeof DEFAULTS) => Number(values[name]);
const [count, noise, seed] = [number('points'), number('noise'), number('seed')];
const linspace = (low: number, high: number, n: number) =>
  Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));

const f = (x: number) => Math.sin(x) + 0.4 * Math.sin(4 * x);
const trainX = linspace(0, 5, count);
const errors = d2l.multivariateNormal([trainX.map(f), variances(count, noise ** 2)], 1, { seed });
const trainY = errors[0] ?? [];
function variances(n: number, variance: number): number[][] {
  return linspace(0, 1, n).map((_, i) => linspace(0, 1, n).map((_, j) => (i === j ? variance : 0)));
}

const candidates = linspace(-3, 2, 51).map((power) => 10 ** power);
const likelihoodOf = (ls: number) =>
  d2l.gpPosterior([trainX, trainY], [0], { ls, noise }).logMarginalLikelihood;
const ls = candidates.reduce((a, b) => (likelihoodOf(b) > likelihoodOf(a) ? b : a));
const x = linspace(0, 5, 200);
const { mean, std } = d2l.gpPosterior([trainX, trainY], x, { ls, noise });
const error = Math.sqrt(
  x.reduce((sum, at, i) => sum + (f(at) - (mean[i] ?? 0)) ** 2, 0) / x.length,
);
const inside = x.filter((at, i) => Math.abs(f(at) - (mean[i] ?? 0)) < 2 * (std[i] ?? 0)).length;
console.log(`length scale ${ls.toPrecision(2)}, error ${error.toFixed(3)}`);
console.log(`inside the band ${(inside / x.length).toFixed(2)}`);

const out = String(values.out);
await mkdir(out, { recursive: true });
const prior = [x.map(() => 0), d2l.rbfkernel(x, x, ls)] as const;
const samples = d2l.multivariateNormal(prior, number('samples'), { seed });
await plot(x, samples, { xlabel: 'x', ylabel: 'f(x)', title: 'prior' }).save(`${out}/prior.png`);
const edge = (sign: number) => mean.map((value, i) => value + 2 * sign * (std[i] ?? 0));
const lines = [{ y: mean }, { y: x.map(f) }, { x: trainX, y: trainY }];
const legend = ['posterior mean', 'true function', 'observations'];
const axes = { xlabel: 'x', ylabel: 'f(x)', title: 'posterior', fmts: ['b-', 'r--', 'ko'] };
const band = plots.plotBand(x, { low: edge(-1), high: edge(1) }, { lines, legend, ...axes });
await band.save(`${out}/posterior.png`);
