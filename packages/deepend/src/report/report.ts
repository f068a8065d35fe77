/** A run as one page: `report.html`. */
import path from 'node:path';
import { isModule } from '@deepend/compiler';
import { checkOptions, rule, writeFileAtomic } from '@deepend/core';
import { currentDevice, type Device } from '@deepend/device';
import type { AnyModel, Loader } from '@deepend/trainer';
import { version } from '../../package.json';
import { runFile } from '../run/layout';
import { isUnavailable, type Run, readRun, type Unavailable } from '../run/read-run';
import { loadTestSet, nameOfData } from '../run/run-data';
import { loadRunModel, type RunModel } from '../run/run-model';
import { measuringLoss } from '../run/script-options';
import { startDevice } from '../start-device';
import { type Evaluated, type Example, evaluateRun } from './evaluation';
import { formatTime } from './format';
import { html } from './html';
import { renderPage } from './page';
import {
  configurationSection,
  describeState,
  deviceSection,
  headline,
  headlineBody,
  modelSection,
  reproduceSection,
} from './run-sections';
import { type Tested, testSections } from './test-sections';
import { trainingSections } from './training-sections';

const WHERE = '[deepend] writeReport';
const PASS_BOTH = 'pass both in the script: writeReport(dir, { model, testIter })';

export interface ReportOptions {
  /** @default `report.html` in the run's folder */
  out?: string;
  /** Number of test images with the largest losses to show. @default 24 */
  samples?: number;
  /** Whether to load the run's test set and evaluate the model on it. @default true */
  data?: boolean;
  /**
   * The device that computes: a `Device`, or a name as `--device` takes it. @default the backend
   * that is current in TensorFlow.js
   */
  device?: Device | string;
  /**
   * The model to evaluate. @default the run's own: its final model, or for an unfinished run that
   * of its best or newest checkpoint
   */
  model?: AnyModel;
  /** The data to evaluate it on. @default the test set that the run's settings name */
  testIter?: Loader;
  /** Whether to show on stderr how far the evaluation is. @default true */
  progress?: boolean;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const options = rule.object({
  out: rule.nonEmptyString('the path of a file').optional(),
  samples: rule.integer({ min: 0, max: 1000 }).optional(),
  data: rule.boolean().optional(),
  device: rule
    .custom<Device | string>(
      (value) => typeof value === 'string' || (isObject(value) && 'backend' in value),
      'a device or its name',
    )
    .optional(),
  model: rule
    .custom<AnyModel>(
      (value) => isObject(value) && ('layers' in value || isModule(value)),
      'a model of layers or an nn.Module',
    )
    .optional(),
  testIter: rule
    .custom<Loader>((value) => isObject(value) && Symbol.asyncIterator in value, 'a loader')
    .optional(),
  progress: rule.boolean().optional(),
});

/** Where the page was written, and the figures on it. */
export interface WrittenReport {
  readonly file: string;
  /** The run's results by its own history. */
  readonly figures: ReturnType<typeof headline>;
  readonly state: string;
  /** Results of the evaluation that was done for the page. */
  readonly evaluation:
    | Pick<Evaluated, 'loss' | 'lossName' | 'accuracy' | 'numSamples'>
    | Unavailable;
  /** Where the model on the page came from. */
  readonly model: string | Unavailable;
}

/**
 * Writes a run as one self-contained HTML page: its results, the command that reproduces it,
 * curves, throughput, figures of each class, confusions, the worst examples as pictures, the model,
 * the configuration and the device. Evaluates the model on the test set once. A section that cannot
 * be filled, because the run is unfinished or the data are missing, says why.
 * @param dir a run's folder, as `deepend train` or `saveRun` writes it
 * @returns the file's path
 * @throws TypeError or RangeError for a bad option; Error when `dir` is not a run's folder or the
 *   file cannot be written
 * @example
 * await writeReport('runs/resnet18');
 * // The model and the data of a script's run are not in its folder: pass them.
 * await writeReport('runs/mine', { model: net, testIter, out: 'mine.html' });
 */
export async function writeReport(dir: string, reportOptions: ReportOptions = {}): Promise<string> {
  return (await makeReport(dir, reportOptions)).file;
}

/** Does what `writeReport` does, and returns the figures too. */
export async function makeReport(
  dir: string,
  reportOptions: ReportOptions = {},
): Promise<WrittenReport> {
  const checked = checkOptions(WHERE, options, reportOptions) as ReportOptions;
  const run = await readRun(dir, '[deepend] report');
  const file = checked.out ?? runFile(dir, 'report');
  const { found, tested, example } = await evaluateModel(run, checked);
  try {
    const page = renderPage({
      ...describePage(run),
      sections: allSections(run, { found, tested, example }),
    });
    await writeFileAtomic(file, page, {
      where: WHERE,
      hint: 'free the disk or name another folder',
    });
  } finally {
    if (!isUnavailable(found) && found.model !== checked.model && !isModule(found.model))
      found.model.dispose();
  }
  return {
    file,
    figures: headline(run),
    state: describeState(run),
    evaluation: isUnavailable(tested)
      ? tested
      : {
          loss: tested.loss,
          ...(tested.lossName && { lossName: tested.lossName }),
          accuracy: tested.accuracy,
          numSamples: tested.numSamples,
        },
    model: isUnavailable(found) ? found : found.from,
  };
}

const allSections = (run: Run, { found, tested, example }: Evaluation) => [
  reproduceSection(run),
  ...trainingSections(run),
  ...testSections(tested),
  modelSection(found, example),
  configurationSection(run),
  deviceSection(run),
];

function describePage(run: Run) {
  const { dir, config } = run;
  const name = path.basename(path.resolve(dir));
  const what = [config.model, nameOfData(run)].filter(Boolean).join(' on ');
  return {
    title: `${name}${what && `: ${what}`}`,
    lead: html`<p class="state">${describeState(run)} · ${dir}</p>
${headlineBody(run)}`,
    foot: html`Made ${formatTime(new Date().toISOString())} by deepend ${version} from ${dir}.`,
  };
}

interface Evaluation {
  readonly found: RunModel<AnyModel> | Unavailable;
  /** Features of a sample of the test set, where they are known. */
  readonly example?: Example | undefined;
  readonly tested: Tested | Unavailable;
}

/** Loads the model and evaluates it on the test set, as far as each is available. */
async function evaluateModel(run: Run, checked: ReportOptions): Promise<Evaluation> {
  const { data = true, samples = 24, progress = true } = checked;
  const started = await attempt(
    () => findDevice(checked.device),
    'name another device with --device, such as --device cpu',
  );
  const loader = data
    ? await findTestSet(run, checked)
    : {
        reason: 'the page was made without data (--no-data)',
        hint: 'make the page again with the data',
      };
  const shape: { inputShape?: readonly number[]; numClasses?: number } = isUnavailable(loader)
    ? {}
    : {
        ...(loader.inputShape && { inputShape: loader.inputShape }),
        ...numClassesOption(loader),
      };
  const found = checked.model
    ? { model: checked.model, from: 'the model that was passed' }
    : await loadRunModel(run, shape);
  const example = shape.inputShape && { shape: shape.inputShape, dtype: 'float32' as const };
  const unavailable = [loader, found, started].find(isUnavailable);
  if (unavailable || isUnavailable(loader) || isUnavailable(found) || isUnavailable(started))
    return { found, tested: unavailable as Unavailable, example };
  const onProgress = progress ? progressLine() : undefined;
  const { classNames, training } = run.config;
  const measured = { samples, classNames, ...measuringLoss(training?.loss) };
  const result = await attempt(
    () => evaluateRun(found.model, loader, { ...measured, ...(onProgress && { onProgress }) }),
    PASS_BOTH,
  );
  if (isUnavailable(result)) return { found, tested: result, example };
  const tested = {
    ...result,
    modelFrom: found.from,
    device: `${started.name} (${started.backend})`,
    before: run.history.at(-1)?.testAcc ?? null,
  };
  return { found, tested, example: result.example ?? example };
}

function numClassesOption({ numClasses, classNames }: Loader): { numClasses?: number } {
  const count = numClasses ?? classNames?.length;
  return count === undefined ? {} : { numClasses: count };
}

async function findDevice(device: ReportOptions['device']): Promise<Device> {
  if (typeof device === 'string') return startDevice(device);
  return device ?? currentDevice();
}

async function findTestSet(
  run: Run,
  { testIter, progress = true }: ReportOptions,
): Promise<Loader | Unavailable> {
  const { settings } = run;
  if (testIter) return testIter;
  const check = isUnavailable(settings)
    ? ''
    : `npx deepend data verify ${settings.data} checks the files; or `;
  const found = await attempt(() => loadTestSet(run, { progress }), `${check}${PASS_BOTH}`);
  return isUnavailable(found) ? { ...found, hint: `${check}${PASS_BOTH}` } : found;
}

/** The result of `work`, or why there is none. */
async function attempt<T extends object>(
  work: () => Promise<T>,
  hint: string,
): Promise<T | Unavailable> {
  try {
    return await work();
  } catch (error) {
    return { reason: (error as Error).message, hint };
  }
}

/** Shows progress: a line that is overwritten on a terminal, else one line at the beginning. */
function progressLine(): (done: number, total: number) => void {
  let started = false;
  return (done, total) => {
    if (process.stderr.isTTY)
      process.stderr.write(
        `\revaluating: ${done} of ${total} test samples${done >= total ? '\n' : ''}`,
      );
    else if (!started) process.stderr.write(`evaluating ${total} test samples\n`);
    started = true;
  };
}
