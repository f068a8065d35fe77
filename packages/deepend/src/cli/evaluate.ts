/** `deepend evaluate`. */
import { loadModel } from '@deepend/models';
import { metrics } from '@deepend/optim';
import { confusedPairs, evaluate, worstClasses } from '@deepend/trainer';
import type { Command } from 'commander';
import { createLoaders, startDevice } from '../experiment';
import { runFile } from '../run/layout';
import { readRunConfig } from '../run/read-run';
import { settingsFrom } from '../settings';
import { toCount } from './numbers';
import { requireSettings } from './settings-of-run';

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
    .action(async (folder: string, { json = false, ...flags }: { json?: boolean }) => {
      const where = 'deepend evaluate';
      const saved = requireSettings(folder, await readRunConfig(folder, where));
      const settings = settingsFrom(where, saved, flags);
      await startDevice(settings.device);
      const [, testIter] = await createLoaders(settings, { progress: !json });
      const model = await loadModel(runFile(folder, 'model'));
      const matrix = metrics.confusionMatrix();
      const { loss, accuracy, numSamples } = await evaluate(model, testIter, { metrics: [matrix] });
      const counts = matrix.compute() as number[][];
      const classNames = testIter.classNames ?? counts.map((_, i) => `class ${i}`);
      const worst = worstClasses(counts, classNames);
      const confused = confusedPairs(counts, classNames, 5);
      if (json) {
        console.log(JSON.stringify({ loss, accuracy, numSamples, worst, confused }));
        return;
      }
      const results = `loss ${loss.toFixed(3)}, test acc ${accuracy.toFixed(3)}`;
      console.log(`${results}, ${numSamples} images`);
      for (const { name, recall } of worst.slice(0, 3))
        console.log(`  ${name}: ${(100 * recall).toFixed(1)} % correct`);
      for (const { truth, predicted, count } of confused)
        console.log(`  ${truth} predicted as ${predicted}: ${count}`);
    });
}
