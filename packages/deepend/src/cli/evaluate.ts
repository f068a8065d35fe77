/** `deepend evaluate` and `deepend predict`. */
import { compile } from '@deepend/compiler';
import { decodeImage, resizeImages } from '@deepend/data';
import { loadModel } from '@deepend/models';
import { metrics } from '@deepend/optim';
import { confusedPairs, evaluate, worstClasses } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
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

interface PredictFlags {
  run: string;
  top: number;
  json?: boolean;
}

export function addPredict(command: Command): void {
  command
    .argument('<images...>', 'jpg, png or webp files')
    .requiredOption('--run <folder>', 'folder of the run')
    .option('--top <classes>', 'number of most likely classes to show', toCount, 3)
    .option('--json', 'print the results as JSON')
    .action(async (images: string[], { run, top, json = false }: PredictFlags) => {
      const where = 'deepend predict';
      const { config, settings: saved } = await readRunConfig(run, where);
      const settings = settingsFrom(where, requireSettings(run, { settings: saved }));
      await startDevice(settings.device);
      const model = await loadModel(runFile(run, 'model'));
      for (const image of images) {
        const classes = await classify(model, image, { top, names: config.classNames });
        const text = classes.map(({ name, probability }) => `${name} ${probability.toFixed(3)}`);
        console.log(json ? JSON.stringify({ image, classes }) : `${image}: ${text.join(', ')}`);
      }
    });
}

interface ClassProbability {
  readonly name: string;
  readonly probability: number;
}

/** Classifies an image file, which is resized to the model's input. */
async function classify(
  model: LayersModel,
  file: string,
  { top, names }: { top: number; names: readonly string[] | undefined },
): Promise<ClassProbability[]> {
  const inputShape = model.inputs[0]?.shape.slice(1) ?? [];
  const [height, width, channels] = inputShape as [number, number, 1 | 3];
  const { pixels, shape } = await decodeImage(file, channels);
  const resized = resizeImages(pixels, shape, [height, width]);
  const features = tf.tidy(() =>
    tf.div(tf.tensor4d(Float32Array.from(resized), [1, height, width, channels]), 255),
  );
  const logits = compile(model).logits(features);
  const probabilities = tf.tidy(() => tf.softmax(logits));
  try {
    const values = [...(await probabilities.data())];
    const all = values.map((probability, i) => ({ name: names?.[i] ?? `class ${i}`, probability }));
    return all.sort((a, b) => b.probability - a.probability).slice(0, top);
  } finally {
    tf.dispose([features, logits, probabilities]);
  }
}
