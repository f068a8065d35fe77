/** `deepend evaluate`. */
import { metrics } from '@deepend/optim';
import {
  confusedPairs,
  type Evaluation,
  evaluate,
  type Loader,
  worstClasses,
} from '@deepend/trainer';
import type { Command } from 'commander';
import { runFile } from '../run/layout';
import { type Run, readRun } from '../run/read-run';
import { requireTestSet } from '../run/run-data';
import { requireRunModel } from '../run/run-model';
import { lossFrom } from '../run/script-options';
import { startDevice } from '../start-device';
import { toCount } from './numbers';
import { deviceOf } from './settings-of-run';

export function addEvaluate(command: Command): void {
  command
    .argument('<folder>', 'folder of the run')
    .option('--data <dataset>', "dataset (default: the run's own)")
    .option('--batch-size <images>', 'number of images in a batch', toCount)
    .option(
      '--device <name>',
      'device or backend: auto, cuda:0, webgpu:0, cpu, simd, tensorflow, wasm, cpu-js',
    )
    .option('--json', 'print the results as JSON')
    .action(async (folder: string, flags: EvaluateFlags) => {
      const { json = false, device, ...others } = flags;
      const run = await readRun(folder, 'deepend evaluate');
      const loss = lossOf(run);
      await startDevice(device ?? deviceOf(run));
      const testIter = await requireTestSet(run, { ...others, progress: !json });
      const { model, from } = await requireRunModel(run);
      const matrix = metrics.confusionMatrix();
      const evaluation = await evaluate(model, testIter, { loss, metrics: [matrix] });
      const confusions = confusionsOf(matrix.compute() as number[][], testIter);
      if (json) {
        const { loss, accuracy, numSamples } = evaluation;
        console.log(JSON.stringify({ loss, accuracy, numSamples, ...confusions, model: from }));
      } else printEvaluation(run, { ...evaluation, ...confusions }, from);
    });
}

interface EvaluateFlags {
  data?: string;
  batchSize?: number;
  device?: string;
  json?: boolean;
}

/** @throws Error when the loss is a function of the script */
function lossOf({ dir, config }: Run) {
  try {
    return lossFrom(config.training?.loss);
  } catch (error) {
    throw new Error(
      `${dir}: ${(error as Error).message}; evaluate it in the script: ` +
        `evaluate(await loadModel('${runFile(dir, 'model')}'), testIter, { loss })`,
    );
  }
}

function confusionsOf(counts: number[][], { classNames }: Loader) {
  const names = counts.map((_, i) => classNames?.[i] ?? `class ${i}`);
  return { worst: worstClasses(counts, names), confused: confusedPairs(counts, names, 5) };
}

type Confusions = ReturnType<typeof confusionsOf>;

function printEvaluation(
  { result }: Run,
  { loss, accuracy, numSamples, worst, confused }: Evaluation & Confusions,
  from: string,
): void {
  if (!result) console.log(`using ${from}`); // the run has not ended
  const acc = Number.isFinite(accuracy) ? `, test acc ${accuracy.toFixed(3)}` : '';
  console.log(`loss ${loss.toFixed(3)}${acc}, ${numSamples} images`);
  for (const { name, recall } of worst.slice(0, 3))
    console.log(`  ${name}: ${(100 * recall).toFixed(1)} % correct`);
  for (const { truth, predicted, count } of confused)
    console.log(`  ${truth} predicted as ${predicted}: ${count}`);
}
