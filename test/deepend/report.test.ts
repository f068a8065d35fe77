/**
 * A run as one page: what is on it, for runs of every state. Pages in a browser:
 * report-browser.test.ts.
 */
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  crossEntropy,
  DataLoader,
  datasets,
  evaluate,
  imageFolder,
  runs,
  saveRun,
  topLosses,
  train,
  writeReport,
} from 'deepend';
import { main } from 'deepend/cli';
import fc from 'fast-check';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatDuration, formatRate, formatTime } from '../../packages/deepend/src/report/format';
import { escapeHtml, html } from '../../packages/deepend/src/report/html';
import { png, sampleImage } from '../../packages/deepend/src/report/sample-image';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

const HOSTILE = [
  '<script>alert(1)</script>',
  `"quoted" & 'single'`,
  '日本語 👩‍🔬',
  '‮turned',
  '</figure><img src=x onerror=alert(1)>',
];

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  await use('cpu-js');
  addSet('tiny-clothes', { classes: 3, channels: 1, classNames: ['bag', 'coat', 'shirt'] });
  addSet('tiny-photos', { classes: 5, channels: 3, classNames: HOSTILE });
  addSet('tiny-hundred', { classes: 100, channels: 1 });
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => fs.remove(dir));

interface TinySet {
  classes: number;
  channels: number;
  classNames?: string[];
}

/** 12 × 12 images whose class shows in their brightness: 240 to learn from, 120 to test on. */
function addSet(id: string, { classes, channels, classNames }: TinySet): void {
  const half = (count: number, name: string) => {
    const size = 144 * channels;
    const noise = mix(count * size, name);
    const images = Uint8Array.from(
      noise,
      (value, i) => (200 * ((Math.floor(i / size) % classes) + value)) / classes,
    );
    const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
    return datasets.arrayDataset({
      images,
      labels,
      imageShape: [12, 12, channels],
      ...(classNames && { classNames }),
    });
  };
  datasets.registerDataset({
    id,
    load: async () => ({ train: half(240, `${id}-train`), test: half(120, `${id}-test`) }),
  });
}

async function deepend(...args: string[]): Promise<{ out: string[]; err: string[] }> {
  const [out, err] = [[], []] as [string[], string[]];
  vi.spyOn(console, 'log').mockImplementation((line) => void out.push(String(line)));
  vi.spyOn(console, 'error').mockImplementation((line) => void err.push(String(line)));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  await main(['node', 'deepend', ...args]);
  vi.restoreAllMocks();
  return { out, err };
}

const trained = async (name: string, data: string, ...more: string[]) => {
  const run = path.join(dir, name);
  const small = `--model book/mlp --data ${data} --batch-size 24 --lr 0.1 --workers 0 --device simd --epochs 2`;
  const { err } = await deepend('train', ...small.split(' '), ...more, '--out', run);
  expect(err).toEqual([]);
  return run;
};

/** The page, and its text section by section. */
async function pageOf(file: string) {
  const page = await fs.readFile(file, 'utf8');
  const sections = new Map(
    [...page.matchAll(/<section id="([\w-]+)"[\s\S]*?<\/section>/g)].map((match) => [
      match[1] as string,
      match[0],
    ]),
  );
  return { page, sections, of: (id: string) => sections.get(id) ?? '' };
}

const SECTIONS = [
  'reproduce',
  'curves',
  'learning-rate',
  'throughput',
  'classes',
  'confusion',
  'confused',
  'worst',
  'model',
  'configuration',
  'device',
];

describe('a finished run', () => {
  let run: string;
  beforeAll(async () => {
    run = await trained('finished', 'tiny-clothes', '--seed', '7', '--schedule', 'cosine');
  });

  it('has every section, and the figures of its history and test set', async () => {
    const { out } = await deepend('report', run, '--samples', '5');
    const file = path.join(run, 'report.html');
    const { page, sections, of } = await pageOf(file);
    expect(out.at(-1)).toBe(`the report is in ${file}`);
    expect([...sections.keys()]).toEqual(SECTIONS);
    expect(page).not.toContain('class="missing"');
    const history = (await fs.readFile(path.join(run, 'history.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const last = history.at(-1);
    for (const value of [last.loss, last.trainAcc, last.testAcc])
      expect(page).toContain(`<dd>${value.toFixed(3)}</dd>`);
    expect(page).toContain('finished: 2 epochs');
    expect(of('classes')).toContain(
      `by the final model (model/),\non cpu (simd): loss ${last.testLoss.toFixed(3)}, test acc ${last.testAcc.toFixed(3)}`,
    );
    expect(of('classes').match(/<th scope="row">(bag|coat|shirt)<\/th>/g)).toHaveLength(3);
    expect(of('confusion')).toMatch(
      /<figure[\s\S]*aria-label="Confusion matrix of 3 classes; \d+ of 120 correct"[\s\S]*<th scope="row">bag<\/th>/,
    );
    expect(of('worst').match(/<img /g)).toHaveLength(5);
    expect(of('worst')).toMatch(
      /alt="Test image \d+: (bag|coat|shirt), predicted (bag|coat|shirt)"/,
    );
    expect(of('reproduce')).toContain('--schedule cosine');
    expect(of('device')).toMatch(/simd.*it was asked for/s);
    expect(of('configuration')).toMatch(/<span class="default">momentum<\/span>/);
    expect(of('configuration')).toMatch(
      /<th scope="row">schedule<\/th><td>cosine<\/td><td>set<\/td>/,
    );
  });

  it('is valid beyond what browsers mend: every element closed, every id once, every link somewhere', async () => {
    const { page } = await pageOf(path.join(run, 'report.html'));
    const open: string[] = [];
    const body = page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '');
    for (const [, closing, name, selfClosed] of body.matchAll(
      /<(\/?)([a-zA-Z][\w-]*)(?:"[^"]*"|[^">])*?(\/?)>/g,
    )) {
      if (selfClosed || ['meta', 'link', 'img'].includes(name as string)) continue;
      if (closing) expect(open.pop()).toBe(name);
      else open.push(name as string);
    }
    expect(open).toEqual([]);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/ href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  it('says what is missing without data, and keeps the rest', async () => {
    const out = path.join(dir, 'elsewhere', 'page.html');
    const { out: lines } = await deepend('report', run, '--no-data', '--out', out, '--json');
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      file: out,
      state: 'finished: 2 epochs',
      evaluation: { reason: expect.stringMatching('--no-data') },
      model: 'the final model (model/)',
    });
    const { sections, of } = await pageOf(out);
    expect([...sections.keys()]).toEqual(SECTIONS);
    for (const id of ['classes', 'confusion', 'confused', 'worst'])
      expect(of(id)).toContain('made without data');
    expect(of('model')).toMatch(/<th scope="row">total<\/th>/);
  });

  it('on a machine without the set, or the device, says so', async () => {
    const other = path.join(dir, 'other-machine');
    await fs.copy(run, other);
    const file = path.join(other, 'config.json');
    const config = await fs.readJson(file);
    await fs.writeJson(file, { ...config, settings: { ...config.settings, data: 'nowhere' } });
    await deepend('report', other);
    const away = await pageOf(path.join(other, 'report.html'));
    expect(away.of('worst')).toMatch(
      /there is no dataset &#39;nowhere&#39;.*To get it: .*testIter/,
    );
    expect(away.of('model')).toContain('total');
    await deepend('report', run, '--device', 'cuda:7', '--out', path.join(dir, 'cuda.html'));
    expect((await pageOf(path.join(dir, 'cuda.html'))).of('classes')).toMatch(
      /cuda:7: cannot compute here.*--device cpu/,
    );
  });

  it('leaves the old page where the new one cannot be made, and no tensor behind', async () => {
    await use('cpu-js');
    const out = path.join(dir, 'kept.html');
    const inside = path.join(out, 'old');
    await fs.outputFile(inside, 'old'); // a folder, which a file cannot replace
    await expect(writeReport(run, { out, progress: false })).rejects.toThrow(
      /cannot write .*kept.html.*name another folder/,
    );
    expect(await fs.readFile(inside, 'utf8')).toBe('old');
    expect((await fs.readdir(dir)).filter((name) => name.endsWith('.part'))).toEqual([]);
    await expectNoLeak(() => writeReport(run, { progress: false }));
    expect((await fs.readdir(run)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('goes when another run takes its folder', async () => {
    const folder = await trained('twice', 'tiny-clothes');
    await fs.outputFile(path.join(folder, 'report.html'), 'old');
    await trained('twice', 'tiny-clothes', '--overwrite');
    expect(await fs.pathExists(path.join(folder, 'report.html'))).toBe(false);
  });
});

describe('runs of other kinds', () => {
  it('photographs whose classes have hostile names', async () => {
    const run = await trained(`it's "<b>" 日本`, 'tiny-photos');
    await deepend('report', run);
    const { page, of } = await pageOf(path.join(run, 'report.html'));
    const markup = page.replace(/<script>[\s\S]*?<\/script>/, '');
    expect(markup).not.toMatch(/<script|<b>|<img src=x/);
    expect(markup.match(/<img /g)?.length).toBe(
      of('worst').match(
        /<img src="data:image\/png;base64,[\w+/=]+" width="12" height="12" alt="[^"<>]*">/g,
      )?.length,
    );
    expect(of('classes')).toContain('日本語 👩‍🔬');
    expect(page).not.toContain('‮');
  });

  it('a folder of photographs, some larger than the page shows', async () => {
    const folder = path.join(dir, 'folder');
    for (const [i, name] of ['<b>cat</b>', 'dog 🐕'].flatMap((name) =>
      [0, 1, 2].map((i) => [i, name] as const),
    )) {
      const side = 140 + 10 * i;
      const pixels = Uint8Array.from(
        { length: side * side * 3 },
        (_, k) => (k * (i + name.length)) % 256,
      );
      const file = path.join(folder, name.replace('/', '∕'), `${i}.png`);
      await fs.ensureDir(path.dirname(file));
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).toFile(file);
    }
    const run = path.join(dir, 'photographs');
    await use('cpu-js');
    const net = linearNet([144, 144, 3], 2);
    const testIter = new DataLoader(await imageFolder(folder), {
      batchSize: 4,
      resize: [144, 144],
      workers: 0,
    });
    await train(net, testIter, testIter, {
      numEpochs: 1,
      lr: 1e-4,
      progress: false,
      callbacks: [saveRun(run)],
    });
    const { of } = await pageOf(await writeReport(run, { model: net, testIter, progress: false }));
    const images = [
      ...of('worst').matchAll(
        /<img src="data:image\/png;base64,([^"]+)" width="128" height="128" alt="([^"]+)">/g,
      ),
    ];
    expect(images).toHaveLength(6);
    for (const [, bytes, alt] of images) {
      expect(await sharp(Buffer.from(bytes as string, 'base64')).metadata()).toMatchObject({
        width: 128,
        channels: 3,
      });
      expect(alt).toMatch(/^Test image \d: (&lt;b&gt;cat&lt;∕b&gt;|dog 🐕), predicted /);
    }
  });

  it('a hundred classes', async () => {
    const run = await trained('hundred', 'tiny-hundred');
    await deepend('report', run);
    const { page, of } = await pageOf(path.join(run, 'report.html'));
    expect(of('classes').match(/<th scope="row">class \d+<\/th>/g)).toHaveLength(100);
    expect(page.length).toBeLessThan(2e6);
  });

  it('an unfinished run: the best checkpoint, else the newest valid one, and how to resume', async () => {
    const run = await trained('unfinished', 'tiny-clothes', '--best', '1');
    await fs.remove(path.join(run, 'result.json')); // model/ may be of an earlier end now
    await deepend('report', run);
    const best = await pageOf(path.join(run, 'report.html'));
    expect(best.of('classes')).toMatch(
      /by the best checkpoint \(best-epoch-000\d-testAcc-[\d.]+\.ckpt\), after \d epochs?,/,
    );
    expect(best.page).toContain('unfinished: 2 of 2 epochs');
    expect(best.of('reproduce')).toContain(`npx deepend resume ${run}`);
    const folder = path.join(run, 'checkpoints');
    const name = (await fs.readdir(folder)).find((file) => file.startsWith('best')) as string;
    await fs.truncate(path.join(folder, name), 100);
    await deepend('report', run, '--no-data');
    const newest = await pageOf(path.join(run, 'report.html'));
    expect(newest.of('model')).toContain(
      `the newest checkpoint (step-00000020.ckpt; damaged: ${name}), after 2 epochs`,
    );
    for (const file of await fs.readdir(folder)) await fs.remove(path.join(folder, file));
    await deepend('report', run, '--no-data');
    expect((await pageOf(path.join(run, 'report.html'))).of('model')).toContain(
      'the model of an earlier end of the run (model/)',
    );
  });

  it("a checkpoint's net is the net, and its average where the run keeps one", async () => {
    for (const more of [[], ['--ema-decay', '0.9']]) {
      const run = await trained(`same${more.length}`, 'tiny-clothes', ...more);
      const whole = JSON.parse((await deepend('report', run, '--json')).out[0] as string);
      await fs.remove(path.join(run, 'model'));
      const saved = JSON.parse((await deepend('report', run, '--json')).out[0] as string);
      expect(saved.model).toMatch(/the newest checkpoint/);
      expect(saved.evaluation).toEqual(whole.evaluation);
    }
  });

  it('no epoch, no checkpoint, no device: what was known before the first step', async () => {
    const run = await trained('early', 'tiny-clothes');
    for (const name of await fs.readdir(run))
      if (name !== 'config.json') await fs.remove(path.join(run, name));
    const config = await fs.readJson(path.join(run, 'config.json'));
    await fs.writeJson(path.join(run, 'config.json'), {
      settings: config.settings,
      model: 7,
      versions: null,
      classNames: [1],
    });
    await deepend('report', run);
    const { sections, of, page } = await pageOf(path.join(run, 'report.html'));
    expect([...sections.keys()]).toEqual(SECTIONS);
    expect(of('curves')).toContain('has not finished an epoch yet');
    expect(of('worst')).toContain('has saved neither a model nor a checkpoint yet');
    expect(of('device')).toContain('not recorded');
    expect(page).not.toMatch(/undefined|NaN|\[object/);
  });

  it("a script's run without a test set; with what it hands over, all is there", async () => {
    const run = path.join(dir, 'script');
    await use('cpu-js');
    const net = linearNet();
    await train(net, fakeLoader(6, 3), null, {
      numEpochs: 1,
      lr: 0.1,
      progress: false,
      callbacks: [saveRun(run, { note: 'mine <i>' })],
    });
    await writeReport(run, { progress: false });
    const alone = await pageOf(path.join(run, 'report.html'));
    expect(alone.page).toContain('<dd>no test set</dd>');
    expect(alone.of('worst')).toMatch(
      /the run was trained without a test set.*writeReport\(dir, \{ model, testIter \}\)/,
    );
    expect(alone.of('reproduce')).toContain('run the script again');
    expect(alone.of('configuration')).toContain('mine &lt;i&gt;');
    const file = await writeReport(run, {
      model: net,
      testIter: fakeLoader(9, 4),
      samples: 2,
      out: path.join(dir, 'script.html'),
      progress: false,
    });
    const both = await pageOf(file);
    expect(both.of('classes')).toContain('9 test images, by the model that was passed');
    expect(both.of('worst').match(/<img /g)).toHaveLength(2);
    expect(net.getWeights().every((weight) => !weight.isDisposed)).toBe(true);
    await expect(
      writeReport(run, { testIter: fakeLoader(4, 2, { shape: [5, 5, 1] }), progress: false }),
    ).resolves.toBeTruthy();
    expect((await pageOf(path.join(run, 'report.html'))).of('worst')).toMatch(
      /class="missing">Not available: \[trainer\] evaluate/,
    );
  });

  it('measures by the loss of the run, and says which', async () => {
    const run = await trained('smoothed', 'tiny-clothes', '--label-smoothing', '0.2');
    const { out } = await deepend('report', run, '--json');
    const { testLoss } = JSON.parse(
      (await fs.readFile(path.join(run, 'history.jsonl'), 'utf8')).trim().split('\n').at(-1) ?? '',
    );
    const { evaluation } = JSON.parse(out.join(''));
    const lossName = 'crossEntropy({"labelSmoothing":0.2})';
    expect(evaluation).toMatchObject({ loss: expect.closeTo(testLoss, 6), lossName });
    const { of } = await pageOf(path.join(run, 'report.html'));
    expect(of('classes')).toContain(`loss ${testLoss.toFixed(3)} (${escapeHtml(lossName)})`);
  });

  it('says when it measures another loss, since that of the run is a function', async () => {
    const run = path.join(dir, 'own-loss');
    const net = linearNet();
    const testIter = fakeLoader(6, 3);
    const half = (...args: Parameters<ReturnType<typeof crossEntropy>>) => {
      const result = crossEntropy()(...args);
      return { ...result, loss: tf.mul(result.loss, 0.5) as tf.Scalar };
    };
    await train(net, testIter, testIter, {
      numEpochs: 1,
      lr: 0.1,
      loss: half,
      progress: false,
      callbacks: [saveRun(run)],
    });
    const { of } = await pageOf(await writeReport(run, { model: net, testIter, progress: false }));
    const { loss } = await evaluate(net, testIter);
    expect(of('classes')).toMatch(
      `loss ${loss.toFixed(3)} (plain cross-entropy, since its loss is the function half of the script)`,
    );
  });

  it('shows the cross-entropy of the worst examples of a model that ends with a softmax', async () => {
    const run = path.join(dir, 'softmax');
    const net = tfl.sequential({
      layers: [
        tfl.layers.flatten({ inputShape: [4, 4, 1] }),
        tfl.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    const testIter = fakeLoader(6, 3);
    await train(net, testIter, testIter, {
      numEpochs: 1,
      lr: 0.1,
      progress: false,
      callbacks: [saveRun(run)],
    });
    const file = await writeReport(run, { model: net, testIter, samples: 1, progress: false });
    const [worst] = await topLosses(net, testIter, 1);
    expect((await pageOf(file)).of('worst')).toContain(`loss ${worst?.loss.toFixed(2)}, no. `);
  });

  it('losses that are no numbers, a stop and a failure', async () => {
    const run = await trained('stopped', 'tiny-clothes');
    const file = path.join(run, 'history.jsonl');
    const [first = '', second = ''] = (await fs.readFile(file, 'utf8')).trim().split('\n');
    await fs.writeFile(
      file,
      `${first}\n${JSON.stringify({ ...JSON.parse(second), loss: null, testAcc: null, testLoss: null })}\n`,
    );
    await fs.writeJson(path.join(run, 'result.json'), {
      epochs: 2,
      samplesPerSecond: 1,
      stopped: 'no progress <b>',
    });
    await deepend('report', run, '--no-data');
    expect((await pageOf(path.join(run, 'report.html'))).page).toContain(
      'stopped after 2 of 2 epochs: no progress &lt;b&gt;',
    );
    await fs.remove(path.join(run, 'result.json'));
    await fs.appendFile(
      path.join(run, 'steps.jsonl'),
      `${JSON.stringify({ ended: 'failed', reason: 'the loss became NaN' })}\n`,
    );
    await deepend('report', run, '--no-data');
    expect((await pageOf(path.join(run, 'report.html'))).page).toContain(
      'failed after 2 of 2 epochs: the loss became NaN',
    );
  });
});

describe('what is wrong', () => {
  it('is told in a line', async () => {
    const run = path.join(dir, 'wrong');
    await fs.outputFile(path.join(run, 'config.json'), '[]');
    const refused = (options: object) => expect(writeReport(run, options)).rejects;
    await refused({ sampels: 3 }).toThrow(/there is no option "sampels"; did you mean "samples"/);
    await refused({ samples: -1 }).toThrow(/"samples" must be an integer from 0 to 1000/);
    await refused({}).toThrow(
      /wrong.config.json: expected a run's config, JSON, got something else/,
    );
    await fs.writeJson(path.join(run, 'config.json'), {});
    const history = path.join(run, 'history.jsonl');
    await fs.writeFile(history, '{"epoch":1}\n{"epo\n');
    await refused({}).toThrow(/history.jsonl, line 2: expected a record of an epoch/);
    await fs.writeFile(history, '{"epoch":1}\n{"epo'); // half a last line, as a crash leaves it
    expect((await runs.readRun(run)).history.map(({ epoch }) => epoch)).toEqual([1]);
    await fs.appendFile(history, '\n');
    expect((await deepend('report', path.join(dir, 'nowhere'))).err).toEqual([
      expect.stringMatching(/there is no folder .*nowhere; expected the folder of a run/),
    ]);
    expect((await deepend('report', run, '--samples', 'all')).err).toEqual([
      expect.stringMatching(/'--samples <number>' argument 'all' is invalid/),
    ]);
    process.exitCode = 0;
  });
});

describe('the parts', () => {
  it('text is never markup', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(html`<a title="${text}">${[text, html`<b>`]}${false}${undefined}</a>`.markup).toBe(
          `<a title="${escapeHtml(text)}">${escapeHtml(text)}<b></a>`,
        );
        expect(escapeHtml(text)).not.toMatch(
          /[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)|(?![\t\n\r])[\p{Cc}\p{Cs}]/u,
        );
      }),
    );
  });

  it.each([
    [5, 7, 1],
    [3, 2, 3],
  ] as const)('a PNG of %i × %i × %i is what sharp reads', async (height, width, channels) => {
    const pixels = Uint8Array.from({ length: height * width * channels }, (_, i) => (37 * i) % 256);
    const { data, info } = await sharp(png(pixels, [height, width, channels]))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.height, info.width]).toEqual([height, width]);
    const grey =
      info.channels === channels ? [...data] : [...data].filter((_, i) => i % info.channels === 0);
    expect(grey).toEqual([...pixels]);
  });

  it('a large image is made smaller, a normalized one stretched; what is no image is none', () => {
    const image = (shape: number[], value: (i: number) => number) =>
      sampleImage({
        shape,
        values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => value(i)),
      });
    expect(image([64, 256, 3], () => 0.5)).toMatchObject({
      width: 128,
      height: 32,
      stretched: false,
    });
    expect(image([2, 2, 1], (i) => i - 2)).toMatchObject({ width: 2, height: 2, stretched: true });
    expect([
      image([2, 2, 2], () => 0),
      image([4], () => 0),
      image([2, 2, 1], () => Number.NaN),
    ]).toEqual([undefined, undefined, undefined]);
  });

  it('says numbers and moments', () => {
    expect([0.04, 59.96, 60, 3725, Number.NaN].map(formatDuration)).toEqual([
      '0.0 s',
      '60.0 s',
      '1 min 00 s',
      '1 h 02 min',
      '–',
    ]);
    expect([228.14, 5032.7, undefined].map(formatRate)).toEqual(['228.1', '5,033', '–']);
    expect(['2026-11-25T03:39:21.863Z', 'yesterday', undefined].map(formatTime)).toEqual([
      '2026-11-25 03:39 UTC',
      '–',
      '–',
    ]);
  });
});
