/** `deepend predict`. */
import type { Command } from 'commander';
import { type ImagePrediction, listImages, openRun, predictEach } from '../predict-images';
import { readRunConfig } from '../run/read-run';
import { startDevice } from '../start-device';
import { toCount } from './numbers';

const EXAMPLES = `
Examples:
  deepend predict photo.jpg --run runs/lenet
  deepend predict photos/*.jpg --run runs/lenet --invert
  deepend predict photos --run runs/lenet --top 1 --json`;

interface PredictFlags {
  run: string;
  top: number;
  invert?: boolean;
  upright?: boolean;
  device?: string;
  json?: boolean;
}

export function addPredict(command: Command): void {
  command
    .addHelpText('after', EXAMPLES)
    .argument('<images...>', 'image files, or folders of images')
    .requiredOption('--run <folder>', 'folder of the run')
    .option('--top <classes>', 'number of most likely classes to show', toCount, 3)
    .option('--invert', 'invert the brightness: for dark things on a light background')
    .option(
      '--upright',
      'turn photos as their EXIF orientation says (default: unless the run was trained on files)',
    )
    .option('--no-upright', 'ignore the EXIF orientation')
    .option(
      '--device <name>',
      "device or backend (default: the run's own): " +
        'auto, cuda:0, webgpu:0, cpu, simd, tensorflow, wasm, cpu-js',
    )
    .option('--json', 'print one line of JSON for each image')
    .action(predictFiles);
}

async function predictFiles(images: string[], flags: PredictFlags): Promise<void> {
  const { run: dir, json = false, device, ...options } = flags;
  const where = 'deepend predict';
  const { settings } = await readRunConfig(dir, where);
  const files = await listImages(images);
  await startDevice(device ?? ('device' in settings ? settings.device : 'auto'));
  const run = await openRun(where, dir);
  const { model, preprocessing, assumed, from, isFinal } = run;
  try {
    if (!json && !isFinal) console.log(`using ${from}`);
    if (!json) for (const one of assumed) console.error(`deepend: ${one}`);
    const known = json ? { assumed } : { assumed: [] };
    for await (const one of predictEach(model, files, { preprocessing, ...known, ...options })) {
      if ('error' in one) {
        process.exitCode = 1;
        console.error(`deepend: ${one.error.message}`);
      } else console.log(json ? JSON.stringify(one) : format(one));
    }
  } finally {
    model.dispose();
  }
}

const BAR = 24; // columns of a probability of 1
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

function format({ file, classes, notes }: ImagePrediction): string {
  const widest = Math.max(...classes.map(({ name }) => name.length));
  const lines = classes.map(({ name, probability }) => {
    const eighths = Math.round(8 * BAR * probability);
    const bar = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
    return `  ${name.padEnd(widest)}  ${bar.padEnd(BAR)}  ${probability.toFixed(3)}`;
  });
  return [file, ...notes.map((note) => `  (${note})`), ...lines].join('\n');
}
