/** What can be done with a run that has been: `deepend evaluate`, `predict`, `plot`. */
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { decodeImage, resizeImages } from '@deepend/data';
import { loadModel } from '@deepend/models';
import { metrics } from '@deepend/optim';
import { plotRuns } from '@deepend/plot';
import { confusedPairs, evaluate, predict, worstClasses } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Command } from 'commander';
import fs from 'fs-extra';
import { deviceOf, loadersOf } from '../experiment';
import { parseHistory } from '../history';
import { settingsFrom } from '../settings';
import { settingsOf } from './training';

export function addRuns(program: Command): void {
  program
    .command('evaluate')
    .description(
      'loss and accuracy of a run on its test set, with the classes and pairs that it gets wrong most',
    )
    .argument('<folder>', "the run's directory")
    .option('--data <set>', "another set than the run's")
    .option('--batch-size <images>', 'images of a batch', Number)
    .option('--device <name>', 'auto, cuda:0, webgpu:0, cpu, or an engine')
    .option('--json', 'figures for machines')
    .action(async (folder: string, { json = false, ...flags }: { json?: boolean }) => {
      const settings = settingsFrom('deepend evaluate', await settingsOf(folder), flags);
      await deviceOf(settings.device);
      const [, testIter] = await loadersOf(settings, { progress: !json });
      const net = await loadModel(path.join(folder, 'net'));
      const matrix = metrics.confusionMatrix();
      const { loss, accuracy, numSamples } = await evaluate(net, testIter, { metrics: [matrix] });
      const counts = matrix.compute() as number[][];
      const classNames = testIter.classNames ?? counts.map((_, i) => `class ${i}`);
      const report = {
        worst: worstClasses(counts, classNames),
        confused: confusedPairs(counts, classNames, 5),
      };
      if (json) console.log(JSON.stringify({ loss, accuracy, numSamples, ...report }));
      else {
        console.log(
          `loss ${loss.toFixed(3)}, test acc ${accuracy.toFixed(3)}, ${numSamples} images`,
        );
        for (const { name, recall } of report.worst.slice(0, 3))
          console.log(`  ${name}: ${(100 * recall).toFixed(1)} % right`);
        for (const { truth, predicted, count } of report.confused)
          console.log(`  ${truth} taken for ${predicted}: ${count}`);
      }
    });

  program
    .command('predict')
    .description('the classes that a run sees in images')
    .argument('<images...>', 'jpg, png or webp files')
    .requiredOption('--run <folder>', "the run's directory")
    .option('--top <classes>', 'how many of the likeliest', Number, 3)
    .option('--json', 'figures for machines')
    .action(
      async (
        images: string[],
        { run, top, json = false }: { run: string; top: number; json?: boolean },
      ) => {
        const settings = settingsFrom('deepend predict', await settingsOf(run));
        await deviceOf(settings.device);
        const net = await loadModel(path.join(run, 'net'));
        const names = await classNamesOf(run);
        for (const image of images) {
          const likeliest = await classify(net, image, { top, names });
          if (json) console.log(JSON.stringify({ image, classes: likeliest }));
          else
            console.log(
              `${image}: ${likeliest.map(({ name, probability }) => `${name} ${probability.toFixed(3)}`).join(', ')}`,
            );
        }
      },
    );

  program
    .command('plot')
    .description('compares runs: their curves in one picture')
    .argument('<folders...>', "runs' directories")
    .option('--out <file>', 'svg, png, html or txt', 'comparison.png')
    .option(
      '--what <column>',
      'loss, trainAcc, testAcc, testLoss, lr, samplesPerSecond, metrics.NAME',
      'testAcc',
    )
    .option('--over <column>', 'epoch, or time: the seconds so far', 'epoch')
    .action(
      async (
        folders: string[],
        { out, what, over }: { out: string; what: string; over: string },
      ) => {
        const histories = await Promise.all(folders.map(historyOf));
        const names = distinctNames(folders);
        const runs = histories.map((history, i) => ({ name: names[i] ?? '', history }));
        await plotRuns(runs, { metric: what, over }).save(out);
        console.log(`the curves are in ${out}`);
      },
    );
}

/** The folders' own names; with what leads to them where two are alike. */
function distinctNames(folders: readonly string[]): string[] {
  const names = folders.map((folder) => path.basename(path.resolve(folder)));
  return names.map((name, i) =>
    names.filter((other) => other === name).length > 1 ? (folders[i] ?? name) : name,
  );
}

async function historyOf(folder: string): Promise<EpochRecord[]> {
  const file = path.join(folder, 'history.jsonl');
  const text = await fs.readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(`${file}: cannot be read (${error.message}); expected a run's history`);
  });
  const history = parseHistory('[deepend] plot', file, text);
  if (history.length === 0) throw new Error(`${file}: has no epoch yet`);
  return history;
}

/** The names that the run's set gave its classes. */
async function classNamesOf(folder: string): Promise<readonly string[] | undefined> {
  return ((await fs.readJson(path.join(folder, 'config.json'))) as { classNames?: string[] })
    .classNames;
}

interface Likely {
  readonly name: string;
  readonly probability: number;
}

/** One image as the net takes it: decoded, resized whole to the net's size. */
async function classify(
  net: Awaited<ReturnType<typeof loadModel>>,
  file: string,
  { top, names }: { top: number; names: readonly string[] | undefined },
): Promise<Likely[]> {
  const [height, width, channels] = (net.inputs[0]?.shape.slice(1) ?? []) as [
    number,
    number,
    1 | 3,
  ];
  const { pixels, shape } = await decodeImage(file, channels);
  const fitted = resizeImages(pixels, shape, [height, width]);
  const features = tf.tidy(() =>
    tf.div(tf.tensor4d(Float32Array.from(fitted), [1, height, width, channels]), 255),
  );
  const logits = await predict(net, features);
  const probabilities = tf.tidy(() => tf.softmax(logits));
  try {
    const values = [...(await probabilities.data())];
    const all = values.map((probability, i) => ({ name: names?.[i] ?? `class ${i}`, probability }));
    return all.sort((a, b) => b.probability - a.probability).slice(0, top);
  } finally {
    tf.dispose([features, logits, probabilities]);
  }
}
