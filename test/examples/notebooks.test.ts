// Full run only: it runs notebooks in Jupyter.
/**
 * The notebooks as Jupyter runs them, headless in real kernels on what was built; and as they are
 * committed, with their outputs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadFashionMnist } from '@deepend/data';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..', '..');
const FOLDER = path.join(ROOT, 'examples', 'notebooks');
const RUNNER = path.join(import.meta.dirname, 'execute-notebook.py');
const TSLAB = path.join(ROOT, 'node_modules', 'tslab', 'bin', 'tslab');
/** Small enough for a test; nothing is said of what is learned. */
const SMALL = {
  NOTEBOOK_SIZE: '28',
  NOTEBOOK_TRAIN: '640',
  NOTEBOOK_TEST: '128',
  NOTEBOOK_EPOCHS: '2',
  NOTEBOOK_BATCH: '32',
};
const MOST_LINES = 60;

interface Output {
  output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  name?: string;
  text?: string | string[];
  data?: Record<string, string | string[]>;
  evalue?: string;
}
interface Cell {
  cell_type: 'code' | 'markdown';
  source: string | string[];
  outputs: Output[];
}

const joined = (text: string | string[] | undefined) =>
  Array.isArray(text) ? text.join('') : (text ?? '');
const read = (file: string) =>
  (JSON.parse(readFileSync(file, 'utf8')) as { cells: Cell[] }).cells.filter(
    ({ cell_type }) => cell_type === 'code',
  );
const works = (command: string, args: string[]) =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Why notebooks cannot be run here, with what would help. */
const absent = await (async () => {
  if (!existsSync(TSLAB) || !works('python3', ['-c', 'import nbclient, IPython']))
    return 'no tslab or no nbclient; npm run peers';
  if (!existsSync(path.join(ROOT, 'packages/deepend/dist/index.d.cts')))
    return 'not built with declarations; npm run build';
  const data = loadFashionMnist(1, { progress: false, download: false });
  return data.then(
    () => undefined,
    () => 'Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
  );
})();
const noDeno = works('deno', ['--version']) ? undefined : 'no deno; https://deno.com';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/** Runs a committed notebook; kernels and all that Jupyter writes are in the test's folder. */
function execute(name: string, kernel: string): Cell[] {
  const at = (folder: string) => path.join(dir, folder);
  const jupyter = {
    JUPYTER_PATH: at('share/jupyter'),
    JUPYTER_CONFIG_DIR: at('config'),
    JUPYTER_DATA_DIR: at('data'),
    JUPYTER_RUNTIME_DIR: at('runtime'),
    IPYTHONDIR: at('ipython'),
    DENO_DIR: at('deno'),
  };
  const output = at(`${name}.${kernel}.ipynb`);
  const { status, stderr } = spawnSync(
    'python3',
    [RUNNER, path.join(FOLDER, `${name}.ipynb`), kernel, output],
    {
      env: { ...process.env, ...jupyter, ...SMALL },
      encoding: 'utf8',
    },
  );
  expect(status, stderr.slice(-3000)).toBe(0);
  return read(output);
}

/** What every notebook's outputs are like. */
function checkOutputs(cells: readonly Cell[]): void {
  for (const { source, outputs } of cells) {
    const begin = joined(source).slice(0, 200);
    expect(
      outputs.filter(({ output_type, name }) => output_type === 'error' || name === 'stderr'),
      begin,
    ).toEqual([]);
    const texts = outputs.map(({ text, data }) => joined(text) + joined(data?.['text/plain']));
    const printed = outputs.map(({ text }) => joined(text)).join('');
    for (const text of [...texts, printed]) {
      expect(text.split('\n').length, begin).toBeLessThanOrEqual(MOST_LINES);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a progress bar leaves them
      expect(text, begin).not.toMatch(/[\u001b\r\b]/);
    }
  }
}

const sourceHas = (pattern: RegExp) => (cell: Cell) => pattern.test(joined(cell.source));
const pictures = ({ outputs }: Cell) =>
  outputs.map(({ data }) => joined(data?.['image/svg+xml'])).filter((svg) => svg !== '');

/**
 * Every cell that shows or draws has its picture, once. @param ofEnds whether a picture still ends
 * its cell
 */
function checkPictures(cells: readonly Cell[], { ofEnds }: { ofEnds: boolean }): void {
  const drawing = cells.filter(
    sourceHas(
      ofEnds
        ? /\bshow\(|new (Animator|ProgressBoard)|^plot\(/m
        : /\bshow\(|new (Animator|ProgressBoard)/,
    ),
  );
  expect(drawing.length).toBeGreaterThan(5);
  for (const cell of drawing) {
    const svgs = pictures(cell);
    expect(svgs.length, joined(cell.source).slice(0, 200)).toBeGreaterThan(0);
    for (const svg of svgs) expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
    expect(new Set(svgs).size).toBe(svgs.length);
  }
}

const CLOSING =
  /^loss \d+\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}\n\d+\.\d examples\/sec on \S+$/m;

/** What a notebook's text says, with the run's own figures. */
const SAYS: Record<string, readonly RegExp[]> = {
  resnet: [
    /residual, silent branch: the output differs from the input by at most 0\.000/,
    /residual\(16, \{ projection: true, stride: 2 \}\) +6·6·8 → 3·3·16/,
    /^full-pre-activation +x \+ \[ norm → relu → conv → norm → relu → conv \]$/m,
    /^stage4 +\[1, 7, 7, 512\] +8,395,264/m,
    /^stem\.conv +⌊\(224 − 7 \+ 2·3\)\/2⌋ \+ 1 = 112$/m,
    /^batch 256 at 224 pixels: \d\.\d\d GiB, which does not fit whole/m,
    CLOSING,
    /^the article +0\.011 +0\.998 +0\.926 +228\.1$/m,
    /^here, \d+ images of \d+ px +\d+\.\d{3} +0\.\d{3} +0\.\d{3} +\d+\.\d$/m,
  ],
  'data-and-plots': [
    /^features float32 \[256,28,28,1\], labels int32 \[256\]$/m,
    CLOSING,
    /^test accuracy 0\.\d{3}$/m,
    /\[ ['"]curves\.html['"], ['"]curves\.png['"], ['"]curves\.svg['"], ['"]curves\.txt['"] \]/,
  ],
  'rnn-to-transformer': [
    /^888 words, 22 different ones$/m,
    /^gru {2}perplexity \d+\.\d\d: \. the cat \S/m,
    /^857 pairs to learn, such as: five hundred twenty nine => 5 2 9$/m,
    /^GRU: \d+ of 48 unseen numbers are right$/m,
    /^GRU with attention: \d+ of 48 unseen numbers are right$/m,
    /^Transformer: \d+ of 48 unseen numbers are right$/m,
  ],
};
const said = (cells: readonly Cell[]) =>
  cells.flatMap(({ outputs }) => outputs.map(({ text }) => joined(text))).join('');

describe.skipIf(absent)(
  `notebooks in tslab's kernel (${absent ? `skipped: ${absent}` : 'headless'})`,
  () => {
    beforeAll(() => {
      const install = [TSLAB, 'install', '--python', 'python3', '--binary', TSLAB, '--prefix', dir];
      expect(spawnSync(process.execPath, install, { stdio: 'ignore' }).status).toBe(0);
    });

    it.each(Object.entries(SAYS))(
      '%s runs to its end',
      (name, lines) => {
        const cells = execute(name, 'tslab');
        checkOutputs(cells);
        checkPictures(cells, { ofEnds: true });
        for (const line of lines) expect(said(cells)).toMatch(line);
      },
      600_000,
    );
  },
);

describe.skipIf(absent ?? noDeno)(
  `notebooks in Deno's kernel (${(absent ?? noDeno) ? `skipped: ${absent ?? noDeno}` : 'headless'})`,
  () => {
    beforeAll(async () => {
      const kernel = {
        argv: ['deno', 'jupyter', '--kernel', '--conn', '{connection_file}'],
        display_name: 'Deno',
        language: 'typescript',
        env: { NO_COLOR: '1' },
      };
      await fs.outputJson(path.join(dir, 'share/jupyter/kernels/deno/kernel.json'), kernel);
    });

    it.each(Object.entries(SAYS))(
      '%s runs to its end',
      (name, lines) => {
        const cells = execute(name, 'deno');
        checkOutputs(cells);
        checkPictures(cells, { ofEnds: false }); // the runner's waiting ends each cell
        for (const line of lines) expect(said(cells)).toMatch(line);
      },
      600_000,
    );
  },
);

describe('notebooks as they are committed', () => {
  it.each(Object.entries(SAYS))('%s has the outputs of a run', (name, lines) => {
    const file = path.join(FOLDER, `${name}.ipynb`);
    expect(statSync(file).size).toBeLessThan(1_200_000);
    const cells = read(file);
    checkOutputs(cells);
    checkPictures(cells, { ofEnds: true });
    for (const line of lines) expect(said(cells)).toMatch(line);
    for (const { source, outputs } of cells) {
      for (const { data } of outputs.filter((output) => output.data?.['image/svg+xml'])) {
        const png = Buffer.from(joined(data?.['image/png']), 'base64');
        expect(png.toString('latin1', 1, 4), joined(source).slice(0, 200)).toBe('PNG');
      }
    }
    // Nothing of the machine that ran it.
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain(ROOT);
    expect(text).not.toMatch(/\/(home|root|tmp|Users|private)\/|"execution": \{/);
  });
});
