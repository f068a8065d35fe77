/** A run as one page: `report.html`. */
import path from 'node:path';
import { checkOptions, rule } from '@deepend/core';
import { currentDevice, type Device } from '@deepend/device';
import type { Loader } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { version } from '../../package.json';
import { deviceOf, loadersOf } from '../experiment';
import { writeWhole } from '../files';
import type { Settings } from '../settings';
import { type Evaluated, evaluateRun } from './evaluation';
import { html } from './html';
import { isMissing, type Missing } from './missing';
import { FROM_SCRIPT, netOfRun, type RunNet } from './net';
import { pageOf } from './page';
import { type RunFolder, readRunFolder } from './run-folder';
import {
  configurationSection,
  deviceSection,
  headline,
  headlineBody,
  netSection,
  reproduceSection,
  stateOf,
} from './run-sections';
import { type Tested, testSections } from './test-sections';
import { trainingSections } from './training-sections';
import { moment } from './words';

const WHERE = '[deepend] writeReport';

export interface ReportOptions {
  /** @default `report.html` in the run's directory */
  out?: string;
  /** Test images with the largest losses that are shown. @default 24 */
  samples?: number;
  /** Whether the run's test set is loaded and evaluated. @default true */
  data?: boolean;
  /**
   * What computes: a device, or its name as `--device` takes it. @default the engine that is
   * current in TensorFlow.js
   */
  device?: Device | string;
  /**
   * The net to evaluate. @default the run's own: of `net/`, or of its best or newest checkpoint
   * where it is unfinished
   */
  net?: LayersModel;
  /** What to evaluate it on, in place of what the run's settings name. */
  testIter?: Loader;
  /** Whether to show on stderr how far the evaluation is. @default true */
  progress?: boolean;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const options = rule.object({
  out: rule.string().min(1, 'the path of a file').optional(),
  samples: rule.nonNegativeInteger().max(1000, 'an integer of at most 1000').optional(),
  data: rule.boolean().optional(),
  device: rule
    .custom<Device | string>(
      (value) => typeof value === 'string' || (isObject(value) && 'engine' in value),
      'a device, or its name',
    )
    .optional(),
  net: rule
    .custom<LayersModel>((value) => isObject(value) && 'layers' in value, 'a net')
    .optional(),
  testIter: rule
    .custom<Loader>((value) => isObject(value) && Symbol.asyncIterator in value, 'a loader')
    .optional(),
  progress: rule.boolean().optional(),
});

/** A page, and what is on it. */
export interface WrittenReport {
  readonly file: string;
  /** What the run came to by its own history. */
  readonly figures: ReturnType<typeof headline>;
  readonly state: string;
  /** Of the pass over the test set that the page was made with. */
  readonly evaluation: Pick<Evaluated, 'loss' | 'accuracy' | 'numSamples'> | Missing;
  /** Whose net the page shows. */
  readonly net: string | Missing;
}

/**
 * Writes a run as one self-contained HTML page: its figures, the command to reproduce it, curves,
 * throughput, classes, confusions, worst examples
 * as pictures, the net, the configuration and the device. Evaluates the test set once. What cannot
 * be had, of an unfinished run or on a machine
 * without the data, is named on the page with the reason.
 * @param dir a run's directory, as `deepend train` or `saveRun` fills it
 * @returns the file's path
 * @throws TypeError or RangeError for a bad option; Error where `dir` is no run's or the file
 *   cannot be written
 * @example
 * await writeReport('runs/resnet18');
 * await writeReport('runs/mine', { net, testIter, out: 'mine.html' }); // a script's run: its net
 * and data are not known by name
 */
export async function writeReport(dir: string, reportOptions: ReportOptions = {}): Promise<string> {
  return (await makeReport(dir, reportOptions)).file;
}

/** As `writeReport`, for who wants the figures too. */
export async function makeReport(
  dir: string,
  reportOptions: ReportOptions = {},
): Promise<WrittenReport> {
  const checked = checkOptions(WHERE, options, reportOptions) as ReportOptions;
  const run = await readRunFolder(dir);
  const out = checked.out ?? path.join(dir, 'report.html');
  await fs.ensureDir(path.dirname(out));
  const { found, tested } = await evaluated(run, checked);
  try {
    await writeWhole(
      WHERE,
      out,
      pageOf({ ...about(run), sections: sectionsOf(run, { found, tested }) }),
    );
  } finally {
    if (!isMissing(found) && found.net !== checked.net) found.net.dispose();
  }
  const evaluation = isMissing(tested)
    ? tested
    : { loss: tested.loss, accuracy: tested.accuracy, numSamples: tested.numSamples };
  return {
    file: out,
    figures: headline(run),
    state: stateOf(run),
    evaluation,
    net: isMissing(found) ? found : found.from,
  };
}

const sectionsOf = (run: RunFolder, { found, tested }: Gathered) => [
  reproduceSection(run),
  ...trainingSections(run),
  ...testSections(tested),
  netSection(found),
  configurationSection(run),
  deviceSection(run),
];

function about(run: RunFolder) {
  const { dir, config } = run;
  const name = path.basename(path.resolve(dir));
  const what = [config.net, isMissing(run.settings) ? undefined : run.settings.data]
    .filter(Boolean)
    .join(' on ');
  return {
    title: `${name}${what && `: ${what}`}`,
    lead: html`<p class="state">${stateOf(run)} · ${dir}</p>
${headlineBody(run)}`,
    foot: html`Made ${moment(new Date().toISOString())} by deepend ${version} from ${dir}.`,
  };
}

interface Gathered {
  readonly found: RunNet | Missing;
  readonly tested: Tested | Missing;
}

/** The net, and what it makes of the test set; each where it can be had. */
async function evaluated(run: RunFolder, checked: ReportOptions): Promise<Gathered> {
  const { data = true, samples = 24, progress = true } = checked;
  const started = await attempt(
    () => start(checked.device),
    'name another with --device, such as --device cpu',
  );
  const loader = data
    ? await testSetOf(run, checked)
    : {
        missing: 'the page was made without data (--no-data)',
        fill: 'make the page again with the data',
      };
  const shape = isMissing(loader)
    ? {}
    : { imageShape: loader.inputShape, numClasses: loader.numClasses ?? loader.classNames?.length };
  const found = checked.net
    ? { net: checked.net, from: 'the net that was handed over' }
    : await netOfRun(run, shape);
  if (isMissing(loader)) return { found, tested: loader };
  if (isMissing(found)) return { found, tested: found };
  if (isMissing(started)) return { found, tested: started };
  const onProgress = progress ? progressLine() : undefined;
  const result = await attempt(
    () =>
      evaluateRun(found.net, loader, {
        samples,
        classNames: run.config.classNames,
        ...(onProgress && { onProgress }),
      }),
    FROM_SCRIPT,
  );
  if (isMissing(result)) return { found, tested: result };
  const before = run.history.at(-1)?.testAcc ?? null;
  return {
    found,
    tested: {
      ...result,
      netFrom: found.from,
      device: `${started.name} (${started.backend})`,
      before,
    },
  };
}

async function start(device: ReportOptions['device']): Promise<Device> {
  if (typeof device === 'string') return deviceOf(device);
  return device ?? currentDevice();
}

async function testSetOf(
  run: RunFolder,
  { testIter, progress = true }: ReportOptions,
): Promise<Loader | Missing> {
  const { settings } = run;
  if (testIter) return testIter;
  if (isMissing(settings))
    return { missing: `${settings.missing}, so its test set is not known`, fill: FROM_SCRIPT };
  const next = `npx deepend data verify ${settings.data} says what is there; ${FROM_SCRIPT}`;
  return attempt(async () => (await loadersOf(withoutAugment(settings), { progress }))[1], next);
}

/** Augmentation is the training set's alone, and its loader is not used here. */
function withoutAugment({ augment: _, ...settings }: Settings): Settings {
  return settings;
}

/** What `work` gives, or why it cannot be had. */
async function attempt<T extends object>(
  work: () => Promise<T>,
  fill: string,
): Promise<T | Missing> {
  try {
    return await work();
  } catch (error) {
    return { missing: (error as Error).message, fill };
  }
}

/**
 * How far the evaluation is: a line that is written over on a terminal, and one at the beginning
 * elsewhere.
 */
function progressLine(): (done: number, all: number) => void {
  let told = false;
  return (done, all) => {
    if (process.stderr.isTTY)
      process.stderr.write(`\revaluating: ${done} of ${all} test images${done >= all ? '\n' : ''}`);
    else if (!told) process.stderr.write(`evaluating ${all} test images\n`);
    told = true;
  };
}
