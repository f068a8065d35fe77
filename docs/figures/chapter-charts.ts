/** The pictures of the pages on optimization, search, Gaussian processes and reinforcement. */
import { d2l, type Figure, plot, plots, type SearchResult } from 'deepend';
import { keptResult } from './results';

/** The losses of the optimizers from scratch, as examples/optimization/airfoil.ts keeps them. */
function optimizerLosses(): Figure {
  const { losses } = keptResult<{ losses: Record<string, number[][]> }>('airfoil');
  const ys = losses['from-scratch'] ?? [];
  const x = (ys[0] ?? []).map((_, i, all) => ((i + 1) / all.length) * 2);
  const legend = Object.keys(d2l.optimizersCh11);
  const axes = { xlabel: 'epoch', ylabel: 'loss', ylim: [0.22, 0.42] as const };
  return plot(x, ys, { ...axes, legend, width: 560, height: 360 });
}

/** The results of examples/search.ts. */
const searchChart = (kind: 'curves' | 'configurations'): Figure =>
  plots.plotSearch(keptResult<{ results: SearchResult[] }>('search').results, { kind });

/** The page's data: a sine with a faster one, and noise. */
function posterior(): Figure {
  const linspace = (n: number) => Array.from({ length: n }, (_, i) => (5 * i) / (n - 1));
  const f = (x: number) => Math.sin(x) + 0.4 * Math.sin(4 * x);
  const trainX = linspace(20);
  const noise = trainX.map((_, i) => trainX.map((_, j) => (i === j ? 0.25 ** 2 : 0)));
  const [trainY = []] = d2l.multivariateNormal([trainX.map(f), noise], 1);
  const x = linspace(200);
  const { mean, std } = d2l.gpPosterior([trainX, trainY], x, { ls: 0.32, noise: 0.25 });
  const edge = (sign: number) => mean.map((value, i) => value + 2 * sign * (std[i] ?? 0));
  const lines = [{ y: mean }, { y: x.map(f) }, { x: trainX, y: trainY }];
  return plots.plotBand(
    x,
    { low: edge(-1), high: edge(1) },
    {
      lines,
      legend: ['posterior mean', 'true function', 'observations'],
      fmts: ['b-', 'r--', 'ko'],
      xlabel: 'x',
      ylabel: 'f(x)',
    },
  );
}

function prior(): Figure {
  const x = Array.from({ length: 200 }, (_, i) => i / 40);
  const covariance = d2l.rbfkernel(x, x, 0.32);
  const samples = d2l.multivariateNormal([x.map(() => 0), covariance], 5);
  return plot(x, samples, { xlabel: 'x', ylabel: 'f(x)' });
}

function valueIteration(): Figure {
  const lake = d2l.makeEnv('FrozenLake-v1', 0);
  const { V, pi } = d2l.valueIteration(lake, 0.95, 8);
  return d2l.showValueFunctionProgress(lake.desc, V.slice(1), pi.slice(1));
}

function qLearning(): Figure {
  const lake = d2l.makeEnv('FrozenLake-v1', 0);
  const { V, pi } = d2l.qLearning(lake, 0.95, 256);
  return d2l.showQFunctionProgress(lake.desc, V.slice(1), pi.slice(1));
}

export const CHAPTER_CHARTS = [
  { name: 'optimizers', draw: optimizerLosses },
  { name: 'search-curves', draw: () => searchChart('curves') },
  { name: 'search-configurations', draw: () => searchChart('configurations') },
  { name: 'gp-prior', draw: prior },
  { name: 'gp-posterior', draw: posterior },
  { name: 'value-iteration', draw: valueIteration },
  { name: 'q-learning', draw: qLearning },
];
