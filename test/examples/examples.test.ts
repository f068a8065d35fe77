/** The examples as a person runs them: on what was built. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { loadFashionMnist } from '@deepend/data';
import { BLOCK_ORDERS } from '@deepend/nn';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull, rowsOf } from '../helpers/full';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

async function run(
  example: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const command = ['--import', 'tsx', `examples/${example}.ts`, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, command, {
    env: { ...process.env, TSX_TSCONFIG_PATH: 'examples/tsconfig.json', ...env },
  });
  return stdout;
}

const METRICS = /^loss (\d+\.\d{3}), train acc (\d\.\d{3}), test acc (\d\.\d{3})$/m;

describe.skipIf(absent)(`the examples (${absent ?? 'real data'})`, () => {
  if (isFull)
    it('quickstart learns from a part of the clothes', async () => {
      const output = await run('quickstart', [], {
        QUICKSTART_OUT: dir,
        QUICKSTART_IMAGES: '6400',
      });
      expect(output).toMatch(/^device cpu: .* on .*\(.*\)$/m);
      expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThan(0.8);
      expect(output).toMatch(/^\d+\.\d examples\/sec on /m);
      const files = [
        'architecture.json',
        'checkpoints',
        'config.json',
        'curves.png',
        'curves.svg',
        'history.jsonl',
        'model',
        'predictions.png',
        'result.json',
        'steps.jsonl',
      ];
      expect((await fs.readdir(dir)).sort()).toEqual(files);
    }, 240_000);

  if (isFull)
    it("resnet18-fashion-mnist prints the article's output, at 28 pixels on a few hundred images", async () => {
      const out = path.join(dir, 'resnet18');
      const small = [
        '--size',
        '28',
        '--train',
        '384',
        '--test',
        '200',
        '--epochs',
        '2',
        '--batch-size',
        '32',
        '--lr',
        '0.01',
      ];
      const output = await run('resnet18-fashion-mnist', [...small, '--out', out]);
      expect(output).toMatch(/stage4 +\[1, 1, 1, 512\]/);
      expect(output).toMatch(/total +11,178,378/);
      expect(output).toMatch(/^training on cpu: /m);
      const [, loss, trainAcc] = METRICS.exec(output) ?? [];
      expect(Number(loss)).toBeLessThan(1.9);
      expect(Number(trainAcc)).toBeGreaterThan(0.4);
      expect(await fs.pathExists(path.join(out, 'curves.png'))).toBe(true);
    }, 240_000);

  if (isFull)
    it('fashion-mnist-fast learns from a part of the clothes', async () => {
      const out = path.join(dir, 'fast');
      const small = ['--train', '12800', '--epochs', '4', '--out', out];
      const output = await run('fashion-mnist-fast', small);
      expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThan(0.8);
      expect(output).toMatch(/^\d+\.\d examples\/sec on /m);
    }, 240_000);

  /** The model, flags for a small run, and the test accuracy to reach: chance is 0.1. */
  const MODELS: [string, Record<string, string | number>, number][] = [
    ['alexnet', { size: 67, train: 1280, epochs: 2, 'batch-size': 16, lr: 0.1 }, 0.2],
    [
      'vgg11',
      { size: 32, train: 1280, epochs: 3, 'batch-size': 16, lr: 0.1, init: 'he-normal' },
      0.35,
    ],
    [
      'nin',
      { size: 67, train: 1280, epochs: 3, 'batch-size': 8, lr: 0.02, init: 'he-normal' },
      0.15, // which of two builds computes moves it by 0.04; chance is 0.1
    ],
    [
      'googlenet',
      { size: 32, train: 1280, epochs: 3, 'batch-size': 8, lr: 0.005, init: 'he-normal' },
      0.4,
    ],
    ['densenet', { size: 32, train: 1280, epochs: 2, 'batch-size': 32, lr: 0.1 }, 0.5],
  ];
  // Every model is built and trained elsewhere; by default one script runs, and for one epoch.
  it.each(rowsOf(MODELS, ([name]) => name === 'densenet'))(
    'book-cnns: %s learns, at small sizes',
    async (name, flags, target) => {
      const out = path.join(dir, name);
      const size = isFull ? {} : { train: 64, test: 32, epochs: 1 };
      const args = Object.entries({ model: name, ...flags, test: 200, ...size, out }).flatMap(
        ([flag, value]) => [`--${flag}`, `${value}`],
      );
      const output = await run('book-cnns', args);
      // A few images teach nothing; a full run has the target.
      expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThanOrEqual(isFull ? target : 0);
      expect(await fs.pathExists(path.join(out, 'curves.png'))).toBe(true);
      expect((await fs.readJson(path.join(out, 'model', 'model.json'))).format).toBe(
        'layers-model',
      );
    },
    240_000,
  );

  if (isFull)
    it('block-orders compares five nets', async () => {
      const out = path.join(dir, 'block-orders');
      const output = await run('block-orders', [
        '--train',
        '1280',
        '--test',
        '200',
        '--size',
        '16',
        '--epochs',
        '3',
        '--lr',
        '0.03',
        '--batch-size',
        '32',
        '--out',
        out,
      ]);
      const accuracies = [...output.matchAll(new RegExp(METRICS, 'gm'))].map(([, , , testAcc]) =>
        Number(testAcc),
      );
      expect(accuracies).toHaveLength(5);
      for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(0.3);
      for (const order of ['original', 'full-pre-activation'])
        expect(output).toMatch(new RegExp(`^${order}$`, 'm'));
      const written = [...Object.keys(BLOCK_ORDERS), 'accuracies.png', 'losses.png'];
      expect((await fs.readdir(out)).sort()).toEqual(written.sort());
    }, 240_000);
});

const noHouses = await import('deepend').then(({ datasets }) =>
  datasets.download('kaggle_house_train', { download: false }).then(
    () => undefined,
    () => 'skipped: the houses are not here; put the files of Kaggle into DEEPEND_DATA',
  ),
);
describe.skipIf(noHouses)(`the examples of tables (${noHouses ?? 'real data'})`, () => {
  // By default one recipe runs.
  it.each(rowsOf(['own', 'book'], (recipe) => recipe === 'own'))(
    'house-prices: the recipe %s reaches its log RMSE',
    async (recipe) => {
      const out = path.join(dir, `houses-${recipe}`);
      const output = await run('tables/house-prices', ['--recipe', recipe, '--out', out]);
      const [, rmse] = /^cross-validated log rmse (\d\.\d{4})$/m.exec(output) ?? [];
      expect(Number(rmse)).toBeLessThanOrEqual(recipe === 'own' ? 0.13 : 0.17);
      expect(Number(rmse)).toBeGreaterThan(0.1); // less would be a leak of the validation part
      const rows = (await fs.readFile(path.join(out, 'submission.csv'), 'utf8')).split('\n');
      expect([rows.length, rows[0]]).toEqual([1461, 'Id,SalePrice']);
      expect(rows[1]).toMatch(/^1461,1\d{5}/);
    },
    240_000,
  );
});

describe.skipIf(absent)(`the examples of vision (${absent ?? 'real data'})`, () => {
  it('detection finds clothes in scenes, and draws them', async () => {
    const out = path.join(dir, 'detection');
    const small = ['--train', '96', '--test', '32', '--epochs', '1'];
    const few = ['--epochs', '4'];
    const output = await run('vision/detection', [...(isFull ? few : small), '--out', out]);
    const [, map50] = /^mAP@0\.5 (\d\.\d{3}), mAP@\[\.5:\.95\] \d\.\d{3}$/m.exec(output) ?? [];
    // A few scenes teach nothing; docs/vision.md has a run of all epochs.
    expect(Number(map50)).toBeGreaterThanOrEqual(isFull ? 0.35 : 0);
    expect(output).toMatch(/^ankle boot: AP \d\.\d{3}$/m);
    expect((await fs.stat(path.join(out, 'detections.png'))).size).toBeGreaterThan(10_000);
  }, 900_000);

  it('segmentation gives pixels their classes, and draws them', async () => {
    const out = path.join(dir, 'segmentation');
    const small = ['--train', '80', '--epochs', '1'];
    const output = await run('vision/segmentation', [...(isFull ? [] : small), '--out', out]);
    const [, iou] = /, test meanIou (\d\.\d{3})$/m.exec(output) ?? [];
    // A few scenes teach nothing; a full run has the target.
    expect(Number(iou)).toBeGreaterThanOrEqual(isFull ? 0.75 : 0);
    expect((await fs.stat(path.join(out, 'masks.png'))).size).toBeGreaterThan(10_000);
  }, 900_000);

  it('gan draws new clothes after each epoch', async () => {
    const out = path.join(dir, 'gan');
    const small = ['--train', '256', '--epochs', '2', '--channels', '8', '--batch-size', '32'];
    const output = await run('vision/gan', [...small, '--out', out]);
    const losses = [...output.matchAll(/^epoch \d of 2: loss_D (\d+\.\d+), loss_G (\d+\.\d+), /gm)];
    expect(losses).toHaveLength(2);
    for (const loss of losses.flatMap(([, lossD, lossG]) => [lossD, lossG]))
      expect(Number(loss)).toBeLessThan(5);
    expect((await fs.readdir(out)).sort()).toEqual(['epoch-1.png', 'epoch-2.png']);
  }, 240_000);
});

/** Writes an image of one color with noise, as a Netpbm file. */
async function writeColor(file: string, color: readonly number[], seed: number): Promise<void> {
  const pixels = Uint8Array.from(
    { length: 40 * 48 * 3 },
    (_, i) => (color[i % 3] as number) + ((i * 31 + seed * 17) % 40),
  );
  await fs.outputFile(file, Buffer.concat([Buffer.from('P6 48 40 255\n'), pixels]));
}

describe('the examples of vision on files', () => {
  const colors = { red: [200, 40, 40], blue: [40, 40, 200] };

  it('fine-tuning learns the classes of a folder', async () => {
    const data = path.join(dir, 'colors');
    for (const [name, color] of Object.entries(colors)) {
      for (let i = 0; i < 24; i++) {
        const split = i < 16 ? 'train' : 'test';
        await writeColor(path.join(data, split, name, `${i}.ppm`), color, i);
      }
    }
    const out = path.join(dir, 'fine-tuning');
    const small = ['--size', '32', '--batch-size', '8', '--epochs', '5', '--lr', '0.01'];
    const output = await run('vision/fine-tuning', ['--data', data, ...small, '--out', out]);
    expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThan(0.9);
  }, 240_000);

  if (isFull)
    it('style-transfer lowers the losses, and draws the images', async () => {
      const out = path.join(dir, 'style');
      const files = Object.entries(colors).map(([name]) => path.join(dir, `${name}.ppm`));
      for (const [i, color] of Object.values(colors).entries())
        await writeColor(files[i] as string, color, i);
      const layers = ['--content-layers', 'features.6', '--style-layers', 'features.0,features.3'];
      const small = ['--model', 'vgg11', '--height', '32', '--width', '48', '--steps', '30'];
      const flags = ['--content', files[0] as string, '--style', files[1] as string, ...layers];
      const output = await run('vision/style-transfer', [...flags, ...small, '--out', out]);
      const styles = [...output.matchAll(/^step \d+: .* style (\d+\.\d+)/gm)].map(
        ([, loss]) => loss,
      );
      expect(styles).toHaveLength(3);
      expect(Number(styles[2])).toBeLessThan(Number(styles[0]));
      expect((await fs.readdir(out)).sort()).toEqual(['images.png', 'losses.png']);
    }, 240_000);
});

describe('the examples of text', () => {
  if (isFull) {
    it('bert learns masked words and next sentences', async () => {
      const output = await run('text/bert', ['--out', path.join(dir, 'bert')]);
      expect(Number(/^loss (\d+\.\d{3})$/m.exec(output)?.[1])).toBeLessThan(1);
      expect(output).toContain('the cow eats <mask> . every cow gives milk => grass');
    }, 240_000);
  }

  // By default one model runs.
  it.each(rowsOf(['textcnn', 'birnn'], (model) => model === 'birnn'))(
    'sentiment: %s tells good reviews from bad ones',
    async (model) => {
      const out = path.join(dir, `sentiment-${model}`);
      const output = await run('text/sentiment', ['--model', model, '--out', out]);
      expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThan(0.75); // chance is 0.5
      expect(output).toContain('this story is so wonderful => positive');
    },
    120_000,
  );

  it('inference: a sentence follows, contradicts or neither', async () => {
    const output = await run('text/inference', ['--out', path.join(dir, 'inference')]);
    expect(Number(METRICS.exec(output)?.[3])).toBeGreaterThan(0.85); // chance is 0.33
    for (const [premise, relation] of [
      ['a woman runs in the park', 'entailment'],
      ['a woman lies in bed', 'contradiction'],
      ['a woman eats an apple', 'neutral'],
    ])
      expect(output).toContain(`${premise} | the person is outdoors => ${relation}`);
  }, 120_000);

  it('word-vectors finds words that stand among the same words', async () => {
    const root = path.join(dir, 'ptb-vectors');
    const lines = ['cat', 'dog', 'lion', 'wolf'].map((name) => `the ${name} hunts and eats meat`);
    const others = ['car', 'bus', 'tram', 'train'].map((name) => `a ${name} takes us to town`);
    await fs.outputFile(
      path.join(root, 'ptb/ptb.train.txt'),
      `${[...lines, ...others].join('\n')}\n`.repeat(30),
    );
    const small = ['--threshold', '1', '--window', '2', '--embed', '16', '--batch-size', '128'];
    const asked = ['--lr', '0.02', '--epochs', '20', '--words', 'cat,bus', '--root', root];
    const out = ['--out', path.join(dir, 'word-vectors')];
    const output = await run('text/word-vectors', [...small, ...asked, ...out]);
    const nearest = (word: string) =>
      new RegExp(`^${word} => (\\w+), (\\w+), (\\w+),`, 'm').exec(output)?.slice(1).sort();
    expect(nearest('cat')).toEqual(['dog', 'lion', 'wolf']);
    expect(nearest('bus')).toEqual(['car', 'train', 'tram']);
  }, 120_000);

  const TRANSLATIONS = ['translation-seq2seq', 'translation-attention', 'translation-transformer'];
  // By default one script runs.
  it.each(rowsOf(TRANSLATIONS, (name) => name === 'translation-transformer'))(
    "%s translates the book's pairs with a BLEU of 1",
    async (name) => {
      const out = path.join(dir, name);
      const output = await run(`text/${name}`, ['--out', out]);
      const translated = [...output.matchAll(/^(.*) => (.*), bleu (\d\.\d{3})$/gm)];
      expect(translated.map(([, english, french, score]) => [english, french, score])).toEqual([
        ['Go.', 'va !', '1.000'],
        ['I lost.', "j'ai perdu .", '1.000'],
        ["He's calm.", 'il est calme .', '1.000'],
        ["I'm home.", 'je suis chez moi .', '1.000'],
      ]);
      if (name === 'translation-seq2seq') return;
      expect((await fs.stat(path.join(out, 'attention.png'))).size).toBeGreaterThan(1000);
      const { weights, xticks } = await fs.readJson(path.join(out, 'attention.json'));
      expect(xticks).toEqual(["i'm", 'home', '.', '<eos>']);
      for (const row of weights.flat(2)) {
        expect(row).toHaveLength(xticks.length);
        expect(row.reduce((sum: number, weight: number) => sum + weight, 0)).toBeCloseTo(1, 4);
      }
    },
    120_000,
  );

  it('language-model learns two sentences, and continues a prompt', async () => {
    const data = path.join(dir, 'animals.txt');
    await fs.writeFile(data, 'the cat sat on the mat. a dog ran to the cat.\n'.repeat(60));
    const small = ['--hidden', '32', '--epochs', '25', '--batch-size', '4', '--steps', '12'];
    const flags = ['--data', data, ...small, '--lr', '3', '--prompt', 'the cat s'];
    const out = path.join(dir, 'language-model');
    const output = await run('text/language-model', [...flags, '--out', out]);
    const [, perplexity] = /^loss .*, perplexity (\d+\.\d+), train acc/m.exec(output) ?? [];
    expect(Number(perplexity)).toBeLessThan(1.6);
    expect(output).toMatch(/^the cat sat on the mat/m);
    expect(output).toMatch(/^\d+\.\d tokens\/sec on /m);
  }, 120_000);

  it('word-language-model learns sentences, and predicts those that it has not seen', async () => {
    const root = path.join(dir, 'ptb');
    const train = 'the cat sat on the mat\na dog ran to the cat\n'.repeat(200);
    await fs.outputFile(path.join(root, 'ptb/ptb.train.txt'), train);
    await fs.outputFile(path.join(root, 'ptb/ptb.valid.txt'), train.slice(0, 2400));
    const small = ['--hidden', '16', '--epochs', '4', '--batch-size', '4', '--steps', '7'];
    const out = path.join(dir, 'words');
    const flags = ['--root', root, ...small, '--dropout', '0', '--prompt', 'the cat'];
    const output = await run('text/word-language-model', [...flags, '--out', out]);
    const [, perplexity] = /^loss .*, test perplexity (\d+\.\d+)$/m.exec(output) ?? [];
    expect(Number(perplexity)).toBeLessThan(2);
  }, 120_000);
});

const airfoil = path.join(process.env.DEEPEND_DATA ?? '', 'airfoil_self_noise.dat');
const noAirfoil =
  process.env.DEEPEND_DATA && existsSync(airfoil)
    ? undefined
    : 'skipped: set DEEPEND_DATA to the folder of airfoil_self_noise.dat';

describe('the examples of optimization, search and reinforcement', () => {
  it.skipIf(noAirfoil)(
    `airfoil: every optimizer reaches the book's loss (${noAirfoil ?? 'real data'})`,
    async () => {
      const out = path.join(dir, 'airfoil');
      const root = process.env.DEEPEND_DATA as string;
      const output = await run('optimization/airfoil', ['--root', root, '--out', out]);
      const losses = [...output.matchAll(/^loss: (\d\.\d{3}), /gm)].map(([, loss]) => Number(loss));
      expect(losses).toHaveLength(14);
      for (const loss of losses) expect(loss).toBeLessThan(0.25);
      expect((await fs.readdir(out)).sort()).toEqual([
        ...['built-in.png', 'from-scratch.png', 'losses.json'],
      ]);
    },
    120_000,
  );

  it.skipIf(absent)(
    `search finds a configuration that learns (${absent ?? 'real data'})`,
    async () => {
      const out = path.join(dir, 'search');
      const size = isFull ? { train: 6000, epochs: 9 } : { train: 2560, epochs: 3 };
      const flags = Object.entries({ ...size, test: 500, out });
      const args = flags.flatMap(([flag, value]) => [`--${flag}`, `${value}`]);
      const output = await run('search', args);
      const error = Number(/^validation error (\d\.\d{3}) after/m.exec(output)?.[1]);
      expect(error).toBeLessThan(isFull ? 0.3 : 0.6); // chance is 0.9
      for (const name of ['search.json', 'results.jsonl', 'curves.png'])
        expect(await fs.pathExists(path.join(out, name))).toBe(true);
      const again = await run('search', args);
      expect(again).toMatch(/^continuing the search in .*, which has \d+ results$/m);
      expect(again).not.toMatch(/^trial /m);
      expect(again).toContain(/^best of .*$/m.exec(output)?.[0] as string);
    },
    240_000,
  );

  it('frozen-lake reaches the goal, by planning and by learning', async () => {
    const out = path.join(dir, 'lake');
    const output = await run('frozen-lake', ['--out', out]);
    expect(output).toMatch(/^planned: value 0\.774, success 1$/m);
    expect(output).toMatch(/^learned: value 0\.7\d+, success 1$/m);
    expect((await fs.readdir(out)).sort()).toEqual(['q-learning.png', 'value-iteration.png']);
  }, 60_000);

  it('gaussian-process finds the function within its band', async () => {
    const output = await run('gaussian-process', ['--out', path.join(dir, 'gp')]);
    expect(Number(/error (\d\.\d{3})$/m.exec(output)?.[1])).toBeLessThan(0.25);
    expect(Number(/^inside the band (\d\.\d\d)$/m.exec(output)?.[1])).toBeGreaterThan(0.8);
  }, 60_000);
});

describe('the examples', () => {
  const examples = readdirSync('examples', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  it.each(examples)('%s is short', (name) => {
    expect(
      readFileSync(`examples/${name}`, 'utf8').trimEnd().split('\n').length,
    ).toBeLessThanOrEqual(65);
  });

  it.each(isFull ? examples : [])('%s has --help, and then does nothing else', async (name) => {
    const output = await run(name.replace(/\.ts$/, ''), ['--help']);
    expect(output).toMatch(/flags|--\w+/);
    expect(output).not.toMatch(/examples\/sec|device/);
  });

  it.each(examples)('%s imports only deepend, its tensors and Node', (name) => {
    const imports = [...readFileSync(`examples/${name}`, 'utf8').matchAll(/from '([^']+)'/g)];
    expect(
      imports.filter(
        ([, from]) => !/^(deepend$|node:|@tensorflow\/tfjs-core$)/.test(from as string),
      ),
    ).toEqual([]);
  });
});

describe('the quickstart', () => {
  const text = readFileSync('examples/quickstart.ts', 'utf8');

  it('is at most 40 lines', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
  });

  it('uses only what deepend exports', () => {
    const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name);
    expect(imports).toEqual(['deepend']);
  });
});
