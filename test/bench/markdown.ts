/** A results file as Markdown, in the README's languages. */
import type { Kind, Results, Row } from './results';
import { best, figure } from './stats';

export type Language = 'en' | 'zh';

export const BEGIN = '<!-- bench:begin -->';
export const END = '<!-- bench:end -->';

const WORDS = {
  en: {
    kind: {
      train: 'Training',
      infer: 'Inference',
      load: 'Loading',
      scaling: 'Scaling',
      kernels: 'Kernels',
      distributed: 'Two ranks',
      browser: 'In a browser',
    },
    columns: { ratio: 'ratio', target: 'target' },
    met: 'met',
    missed: 'missed',
    caption: (about: Results['about']) =>
      `Medians of ${about.rounds} interleaved rounds of ${about.seconds} s, ${about.processor}, ${about.cores} cores, Node ${about.node}, ` +
      `simd on ${about.threads} threads (${about.build})${peer(about, ', compared with ')}; ${about.date.slice(0, 10)}, ` +
      `\`${about.command}\`.`,
  },
  zh: {
    kind: {
      train: '训练',
      infer: '推理',
      load: '读取数据',
      scaling: '线程扩展',
      kernels: '算子',
      distributed: '两个进程',
      browser: '浏览器中',
    },
    columns: { ratio: '比值', target: '目标' },
    met: '达到',
    missed: '未达到',
    caption: (about: Results['about']) =>
      `${about.rounds} 轮交替测量（每轮 ${about.seconds} 秒）的中位数；${about.processor}，${about.cores} 核，Node ${about.node}，` +
      `simd 用 ${about.threads} 个线程（${about.build}）${peer(about, '，对照 ')}；${about.date.slice(0, 10)}，` +
      `\`${about.command}\`。`,
  },
} as const;

/** Libraries that rows are measured against. */
const PEER_NAMES = ['PyTorch', 'jax-js'];

const peer = ({ versions }: Results['about'], before: string) => {
  const name = PEER_NAMES.find((one) => versions[one]);
  return name ? `${before}${name} ${versions[name]}` : '';
};

/**
 * A table of rows of one kind and unit: a column an backend, one for the best of PyTorch's two
 * memory formats, the ratio, the target.
 */
function table(rows: readonly Row[], language: Language): string {
  const words = WORDS[language];
  const own = [...new Set(rows.flatMap(({ series }) => series.map(({ name }) => name)))].filter(
    (name) => !name.startsWith('PyTorch'),
  );
  const theirs = rows.some(({ series }) => series.some(({ name }) => name.startsWith('PyTorch')));
  const [first = '', ...others] = own;
  const columns = [first, ...(theirs ? ['PyTorch'] : []), ...others];
  const targets = rows.some(({ target }) => target !== undefined);
  const { kind = 'train', unit = '' } = rows[0] ?? {};
  const head = [
    `${words.kind[kind]}, ${unit}`,
    ...columns,
    words.columns.ratio,
    ...(targets ? [words.columns.target] : []),
  ];
  const body = rows.map((row) => [
    row.title.replace(/^(train|infer|load) /, ''),
    ...columns.map((name) => cell(row, name)),
    row.ratio === undefined ? '–' : row.ratio.toFixed(2),
    ...(targets ? [targetCell(row, words)] : []),
  ]);
  return aligned([head, ...body]);
}

/** A column's figure: of `PyTorch`, the better memory format's. */
function cell({ series }: Row, column: string): string {
  const names = series
    .map(({ name }) => name)
    .filter((name) => (column === 'PyTorch' ? name.startsWith(column) : name === column));
  return figure(best(series, names)?.median ?? Number.NaN);
}

function targetCell(
  { target, met }: Row,
  { met: yes, missed }: { met: string; missed: string },
): string {
  if (target === undefined) return '';
  return met === undefined ? `${target}` : `${target}, ${met ? yes : missed}`;
}

/** How wide a terminal shows a text: Chinese characters take two columns. */
const width = (text: string) =>
  [...text].reduce(
    (sum, character) => sum + ((character.codePointAt(0) ?? 0) >= 0x2e80 ? 2 : 1),
    0,
  );

/** Rows of cells as a Markdown table whose figures stand right. */
export const aligned = (rows: readonly (readonly string[])[]): string =>
  toTable(rows, (i) => i > 0);

/** Rows of words as a Markdown table. */
export const alignedLeft = (rows: readonly (readonly string[])[]): string =>
  toTable(rows, () => false);

function toTable(
  rows: readonly (readonly string[])[],
  isRight: (column: number) => boolean,
): string {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(3, ...rows.map((row) => width(row[i] ?? ''))),
  );
  const space = (text: string, i: number) => ' '.repeat((widths[i] ?? 0) - width(text));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, i) => (isRight(i) ? space(text, i) + text : text + space(text, i))).join(' | ')} |`;
  const rule = `| ${widths.map((size, i) => (isRight(i) ? `${'-'.repeat(size - 1)}:` : '-'.repeat(size))).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)].join('\n');
}

export interface MarkdownOptions {
  language?: Language;
  /** Which kinds of rows, in this order; all that there are without it. */
  kinds?: readonly Kind[];
  /** Which rows: those whose titles contain one of these; all without it. */
  only?: readonly string[];
}

const KINDS: readonly Kind[] = [
  'train',
  'infer',
  'load',
  'scaling',
  'kernels',
  'distributed',
  'browser',
];

/** A table for each kind and unit, and how they were measured. */
export function markdown(
  { about, rows }: Results,
  { language = 'en', kinds = KINDS, only }: MarkdownOptions = {},
): string {
  const shown = only
    ? rows.filter(({ title }) => only.some((words) => title.includes(words)))
    : rows;
  const groups = kinds.flatMap((kind) => {
    const ofKind = shown.filter((row) => row.kind === kind);
    return [...new Set(ofKind.map(({ unit }) => unit))].map((unit) =>
      ofKind.filter((row) => row.unit === unit),
    );
  });
  return [...groups.map((group) => table(group, language)), WORDS[language].caption(about)].join(
    '\n\n',
  );
}

/**
 * A page with what stands between its markers replaced. @throws Error where it has not both, in
 * order
 * @param name of the markers: `<!-- NAME:begin -->`
 */
export function between(page: string, content: string, name = 'bench'): string {
  const [first, last] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [begin, end] = [page.indexOf(first), page.indexOf(last)];
  if (begin < 0 || end < begin)
    throw new Error(
      `[bench] expected ${first} and, behind it, ${last}; put them where the tables belong`,
    );
  return `${page.slice(0, begin + first.length)}\n\n${content}\n\n${page.slice(end)}`;
}
