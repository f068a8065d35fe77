/** Prints rows as they are measured, and writes the results file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import type { Results, Row } from './results';
import { best, figure, spread } from './stats';

const WIDTH = 62;

/** A line with a row's ratio and target, and a line for each series. */
export function rowText({ title, unit, series, ratio, target, met, reference }: Row): string {
  const judged =
    ratio === undefined ? '' : `${ratio.toFixed(2)} × ${best(series, reference)?.name}`;
  const verdict =
    target === undefined
      ? ''
      : `target ${target}${met === undefined ? '' : met ? ': met' : ': missed'}`;
  const lines = series.map(({ name, rounds, median, fault }) => {
    const around = rounds.length > 1 ? `  ± ${(50 * spread(rounds)).toFixed(0)} %` : '';
    const rate = rounds.length > 0 ? `${figure(median).padStart(9)} ${unit}${around}` : '';
    return `  ${name.padEnd(26)}${[rate, fault].filter(Boolean).join('  ')}`;
  });
  return [
    `${title.padEnd(WIDTH)} ${[judged, verdict].filter(Boolean).join(', ')}`.trimEnd(),
    ...lines,
  ].join('\n');
}

function versionOf(name: string): string | undefined {
  for (const from of [import.meta.url, `${process.cwd()}/index.js`]) {
    try {
      const file = createRequire(from).resolve(`${name}/package.json`);
      return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
    } catch {
      // not installed, or it does not export its package.json
    }
  }
  return undefined;
}

type Known = Omit<
  Results['about'],
  'date' | 'command' | 'processor' | 'cores' | 'memoryGiB' | 'loadAverage' | 'platform' | 'node'
>;

/** The machine and the run, for the results file. */
export function about({ versions, ...known }: Known): Results['about'] {
  const packages = [
    'deepend',
    '@tensorflow/tfjs-core',
    '@tensorflow/tfjs-backend-wasm',
    '@tensorflow/tfjs-node',
  ];
  const installed = packages.flatMap((name) => {
    const version = versionOf(name);
    return version ? [[name, version] as const] : [];
  });
  return {
    date: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    processor: os.cpus()[0]?.model.trim() || os.arch(),
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    loadAverage: os.loadavg()[0] ?? 0,
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
    versions: { ...Object.fromEntries(installed), ...versions },
    ...known,
  };
}

export function writeResults(file: string, results: Results): void {
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
}
