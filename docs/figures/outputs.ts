/** Outputs within pages, between `<!-- output:NAME:begin -->` and `<!-- output:NAME:end -->`. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { book, models, nn, summary } from 'deepend';
import { aligned, alignedLeft } from '../../test/bench/markdown';
import { BOOK_SPEED } from './charts';
import {
  bench,
  bookRun,
  ROOT,
  type SiteRun,
  siteRun,
  speed,
  type TextRun,
  textRun,
} from './results';

/** The book's nets with 96 pixels, in the order of `BOOK_SPEED`. */
const NETS = {
  AlexNet: 'book/alexnet',
  'VGG-11 ÷ 4': 'book/vgg11',
  NiN: 'book/nin',
  GoogLeNet: 'book/googlenet',
  'ResNet-18': 'book/resnet18',
  DenseNet: 'book/densenet',
} as const satisfies Record<keyof typeof BOOK_SPEED, string>;

type Language = 'en' | 'zh';

const WORDS = {
  en: {
    epochs: 'epochs',
    comma: '; ',
    end: '.',
    chapters: ['en', 'zh', 'chapter', 'what it teaches', 'in deepend'],
    names: ['en', 'zh', "the book's name", 'in deepend'],
    pending: 'not yet',
    nets: ['96 px, one channel', 'parameters', 'deepend, images/s', 'PyTorch, images/s'],
    orders: ['ordering', 'loss', 'train acc', 'test acc'],
    memory: ['batch size', 'training, GiB', 'inference, GiB'],
    languageModels: ['500 epochs', 'perplexity', 'minutes', 'command'],
    wordModel: ['epoch', 'perplexity, training', 'perplexity, validation', 'minutes'],
    textRuns: ['model', 'epochs', 'loss', 'minutes', 'command'],
    testAccuracy: 'test accuracy',
    segmentation: ['U-Net', 'epochs', 'test mean IoU', 'minutes', 'command'],
    segmentationRows: ['four classes', 'ten classes'],
    textSummary: ['section (en)', 'model', 'epochs', 'reached', 'minutes', 'command'],
    perplexity: 'perplexity',
    validation: 'on validation',
    loss: 'loss',
  },
  zh: {
    epochs: '个迭代周期',
    comma: '；',
    end: '。',
    chapters: ['英文版', '中文版', '章节', '内容', 'deepend 中的状况'],
    names: ['英文版', '中文版', '书中的名称', 'deepend 中'],
    pending: '尚未提供',
    nets: ['96 像素，单通道', '参数个数', 'deepend，张/秒', 'PyTorch，张/秒'],
    orders: ['排列', '损失', '训练准确率', '测试准确率'],
    memory: ['批量大小', '训练，GiB', '推理，GiB'],
    languageModels: ['500 个迭代周期', '困惑度', '分钟', '命令'],
    wordModel: ['迭代周期', '困惑度，训练集', '困惑度，验证集', '分钟'],
    textRuns: ['模型', '迭代周期', '损失', '分钟', '命令'],
    testAccuracy: '测试准确率',
    segmentation: ['U-Net', '迭代周期', '测试集平均交并比', '分钟', '命令'],
    segmentationRows: ['四个类别', '十个类别'],
    textSummary: ['章节（英文版）', '模型', '迭代周期', '结果', '分钟', '命令'],
    perplexity: '困惑度',
    validation: '（验证集）',
    loss: '损失',
  },
} as const satisfies Record<Language, object>;

const fenced = (text: string) => `\`\`\`text\n${text.trimEnd()}\n\`\`\``;
const lines = (text: string, from: number, to: number) => text.split('\n').slice(from, to);

/** The line with which a run ends, and how the run was made. */
function ending({ history, hardware, versions, command }: SiteRun, language: Language): string {
  const last = history.at(-1);
  if (!last) throw new Error('[figures] a kept run has no epoch');
  const accuracies = [
    `loss ${last.loss.toFixed(3)}`,
    `train acc ${last.trainAcc.toFixed(3)}`,
    `test acc ${last.testAcc?.toFixed(3)}`,
  ].join(', ');
  const { epochs, comma, end } = WORDS[language];
  const made = command ? [`\`${command}\``] : [];
  const about = [`${history.length} ${epochs}`, hardware, `Node ${versions.node}`, ...made];
  return `${fenced(accuracies)}\n\n${about.join(comma)}${end}`;
}

/** The pages of the book, from their front matter; those that are written in this language. */
function chapters(language: Language): string {
  const folder = path.join(ROOT, language === 'zh' ? 'docs/zh/book' : 'docs/book');
  const sidebar = readFileSync(path.join(ROOT, 'docs/.vitepress/pages.ts'), 'utf8');
  const names = Array.from(sidebar.matchAll(/\['book\/([\w-]+)',/g), ([, name = '']) => name);
  const rows = [...new Set(names)]
    .map((name) => ({ name, file: path.join(folder, `${name}.md`) }))
    .filter(({ name, file }) => name !== 'index' && existsSync(file))
    .map(({ name, file }) => {
      const page = readFileSync(file, 'utf8');
      const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(page)?.[1] ?? '';
      const link = `[${field('title')}](${name}.md)`;
      return [field('en'), field('zh'), link, field('teaches'), field('status')];
    });
  return alignedLeft([WORDS[language].chapters, ...rows]);
}

interface BookName {
  readonly name: string;
  /** The section of each edition that defines it. */
  readonly en: string | null;
  readonly zh: string | null;
  readonly call?: string;
}

/** The book's functions and classes, in the order of the Chinese edition and then the English. */
function names(language: Language): string {
  const file = path.join(ROOT, 'test/golden/book-names.json');
  const all = JSON.parse(readFileSync(file, 'utf8')) as BookName[];
  const rows = all.map(({ name, en, zh, call }) => [
    ...[en ?? '–', zh ?? '–', `\`${name}\``],
    call ? `\`${call}\`` : WORDS[language].pending,
  ]);
  return alignedLeft([[...WORDS[language].names], ...rows]);
}

function modernCnns(language: Language): string {
  const figures = bench('speed');
  const rows = Object.entries(NETS).map(([name, id]) => {
    const options = { inputShape: [96, 96, 1] as [number, number, number], numClasses: 10 };
    const net =
      id === 'book/vgg11'
        ? book.vgg11({ ...options, widthDivisor: 4 })
        : models.createModel(id, options);
    const row = BOOK_SPEED[name as keyof typeof BOOK_SPEED];
    const of = (series: string) => speed(figures, row, series).toFixed(1);
    const cells = [name, net.countParams().toLocaleString('en-US'), of('simd'), of('PyTorch')];
    net.dispose();
    return cells;
  });
  return aligned([WORDS[language].nets, ...rows]);
}

function orders(language: Language): string {
  const rows = Object.keys(nn.BLOCK_ORDERS).map((name) => {
    const last = siteRun(`block-orders-${name}`).history.at(-1);
    const accuracies = [last?.loss, last?.trainAcc, last?.testAcc].map((value) =>
      value?.toFixed(3),
    );
    return [`\`${name}\``, ...accuracies.map(String)];
  });
  const { command, hardware } = siteRun('block-orders-original');
  const { comma, end } = WORDS[language];
  return `${aligned([WORDS[language].orders, ...rows])}\n\n${hardware}${comma}\`${command}\`${end}`;
}

function memory(language: Language): string {
  const net = book.resnet18();
  const rows = [256, 128, 64].map((batchSize) => {
    const { training, inference } = models.estimateMemory(net, batchSize);
    return [`${batchSize}`, gibibytes(training), gibibytes(inference)];
  });
  net.dispose();
  return aligned([WORDS[language].memory, ...rows]);
}

const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(2);

/** The stem and the first block of ResNet-18, and where the first block of stage 2 halves it. */
function resnetExplained(): string {
  const net = book.resnet18();
  const all = summary(net, { explain: true });
  net.dispose();
  const at = all.split('\n').findIndex((line) => line.startsWith('stage2.block1.conv1'));
  return [...lines(all, 0, 19), '...', ...lines(all, at, at + 4), '...'].join('\n');
}

const withNet = (id: string, print: (net: ReturnType<typeof book.lenet>) => string): string => {
  const net = models.createModel(id);
  const printed = print(net);
  net.dispose();
  return fenced(printed);
};

export interface Output {
  readonly page: string;
  readonly name: string;
  readonly print: (language: Language) => string;
}

const output = (page: string, name: string, print: Output['print']): Output => ({
  page,
  name,
  print,
});

/** The runs of the language models: their last perplexity, their time, and their texts. */
function languageModels(language: Language): string {
  const rows = Object.entries({ GRU: 'gru', LSTM: 'lstm' }).map(([title, cell]) => {
    const { losses, minutes, command } = textRun(`language-model-${cell}`);
    return { title, perplexity: Math.exp(losses.at(-1) ?? Number.NaN), minutes, command };
  });
  const { texts = [] } = textRun('language-model-gru');
  const table = aligned([
    [...WORDS[language].languageModels],
    ...rows.map(({ title, perplexity, minutes, command }) => [
      title,
      perplexity.toFixed(3),
      minutes.toFixed(1),
      `\`${command}\``,
    ]),
  ]);
  return `${table}\n\n${fenced(texts.join('\n'))}`;
}

/** Runs of scripts of examples/text, by the title of a row, and what the last one wrote. */
function textRuns(language: Language, runs: Readonly<Record<string, string>>): string {
  const kept = Object.entries(runs).map(([title, name]) => ({ title, ...textRun(name) }));
  const rows = kept.map(({ title, losses, testAcc, minutes, command }) => {
    const accuracy = testAcc === undefined ? [] : [testAcc.toFixed(3)];
    const loss = losses.at(-1)?.toFixed(3) ?? '';
    return [title, `${losses.length}`, loss, ...accuracy, minutes.toFixed(1), `\`${command}\``];
  });
  const { texts = [], testAcc } = kept.at(-1) ?? {};
  const { textRuns: head, testAccuracy } = WORDS[language];
  const columns =
    testAcc === undefined ? head : [...head.slice(0, 3), testAccuracy, ...head.slice(3)];
  return `${aligned([[...columns], ...rows])}\n\n${fenced(texts.join('\n'))}`;
}

/** Minutes of training and evaluation. */
const minutesOf = (history: SiteRun['history']): number =>
  history.reduce((sum, { seconds }) => sum + seconds, 0) / 60;

/** The mean IoU that examples/vision/segmentation.ts reaches. */
function segmentation(language: Language): string {
  const names = ['segmentation', 'segmentation-ten'];
  const rows = names.map((name, i) => {
    const { history, command } = siteRun(name);
    const iou = Number(history.at(-1)?.metrics?.meanIou);
    const title = WORDS[language].segmentationRows[i] ?? '';
    const minutes = minutesOf(history).toFixed(1);
    return [title, `${history.length}`, iou.toFixed(3), minutes, `\`${command}\``];
  });
  return aligned([[...WORDS[language].segmentation], ...rows]);
}

/** The perplexities of the language model of words, epoch by epoch, and how the run was made. */
function wordModel(language: Language): string {
  const { history, command } = siteRun('word-language-model');
  const perplexity = (loss = Number.NaN) => Math.exp(loss).toFixed(1);
  const rows = history.map(({ epoch, loss, testLoss, seconds }) => [
    ...[`${epoch}`, perplexity(loss), perplexity(testLoss ?? Number.NaN)],
    (seconds / 60).toFixed(1),
  ]);
  return `${aligned([[...WORDS[language].wordModel], ...rows])}\n\n\`${command}\``;
}

/** Each kept run of the text chapters: its section, its model, and what it is measured by. */
const TEXT_RUNS = [
  ['9.5', 'GRU', 'language-model-gru', 'perplexity'],
  ['10.1', 'LSTM', 'language-model-lstm', 'perplexity'],
  ['10.3', 'LSTM, 2 × 200', 'word-language-model', 'validation'],
  ['10.7', 'Seq2Seq', 'translation-seq2seq', 'bleu'],
  ['11.4', 'Seq2Seq, Bahdanau', 'translation-attention', 'bleu'],
  ['11.7', 'Transformer', 'translation-transformer', 'bleu'],
  ['15.4', 'skip-gram', 'word-vectors', 'loss'],
  ['15.10', 'BERT', 'bert', 'loss'],
  ['16.2', 'BiRNN', 'sentiment-birnn', 'accuracy'],
  ['16.3', 'TextCNN', 'sentiment-textcnn', 'accuracy'],
  ['16.5', 'DecomposableAttention', 'inference', 'accuracy'],
] as const;

/** A run of either kind. */
type AnyRun = Pick<SiteRun, 'command'> & Partial<SiteRun & TextRun>;

/** What a run reached, by the measure of its row. */
function reached(run: AnyRun, by: (typeof TEXT_RUNS)[number][3], language: Language): string {
  const { perplexity, validation, loss, testAccuracy } = WORDS[language];
  const { losses, texts = [], history = [] } = run;
  const last = history.at(-1);
  const { testAcc = last?.testAcc } = run;
  const [trained, tested] = [losses?.at(-1) ?? last?.loss, last?.testLoss ?? undefined];
  const fixed = (value: number | null | undefined, digits = 3) => value?.toFixed(digits) ?? '';
  const exp = (value = Number.NaN, digits = 3) => fixed(Math.exp(value), digits);
  const scores = texts.flatMap((text) => /bleu (\d\.\d+)$/.exec(text)?.[1] ?? []);
  return {
    perplexity: () => `${perplexity} ${exp(trained)}`,
    validation: () => `${perplexity} ${exp(tested, 1)} ${validation}`,
    bleu: () => `BLEU ${fixed(Math.min(...scores.map(Number)))}`,
    loss: () => `${loss} ${fixed(trained)}`,
    accuracy: () => `${testAccuracy} ${fixed(testAcc)}`,
  }[by]();
}

/** The runs of the text chapters on one page, with their commands. */
function textSummary(language: Language): string {
  const rows = TEXT_RUNS.map(([section, model, name, by]) => {
    const run: AnyRun = { ...siteRun(name), ...textRun(name) };
    const { losses, history = [] } = run;
    const { minutes = minutesOf(history) } = run;
    const numEpochs = losses?.length ?? history.length;
    const result = reached(run, by, language);
    return [section, model, `${numEpochs}`, result, minutes.toFixed(1), `\`${run.command}\``];
  });
  return aligned([[...WORDS[language].textSummary], ...rows]);
}

export const OUTPUTS: readonly Output[] = [
  output('results', 'text-runs', textSummary),
  output('book/index', 'chapters', chapters),
  output('book/index', 'names', names),
  output('book/softmax-regression', 'softmax-regression', (language) =>
    ending(siteRun('softmax-regression'), language),
  ),
  output('book/multilayer-perceptrons', 'mlp', (language) => ending(siteRun('mlp'), language)),
  output('book/builders-guide', 'lenet-summary', () =>
    withNet('book/lenet', (net) => summary(net)),
  ),
  output('book/convolutional-networks', 'lenet-explained', () =>
    withNet('book/lenet', (net) => lines(summary(net, { explain: true }), 0, 16).join('\n')),
  ),
  output('book/convolutional-networks', 'lenet', (language) => ending(bookRun('lenet'), language)),
  output('book/modern-convolutional-networks', 'modern-cnns', modernCnns),
  output('book/recurrent-networks', 'language-models', languageModels),
  output('book/modern-recurrent-networks', 'word-language-model', wordModel),
  output('book/modern-recurrent-networks', 'translation', (language) =>
    textRuns(language, { Seq2Seq: 'translation-seq2seq' }),
  ),
  output('book/attention', 'translation-attention', (language) =>
    textRuns(language, {
      Bahdanau: 'translation-attention',
      Transformer: 'translation-transformer',
    }),
  ),
  output('book/nlp-pretraining', 'word-vectors', (language) =>
    textRuns(language, { 'skip-gram': 'word-vectors' }),
  ),
  output('book/nlp-pretraining', 'bert', (language) => textRuns(language, { BERT: 'bert' })),
  output('book/computer-vision', 'segmentation', segmentation),
  output('vision', 'detection', (language) => textRuns(language, { TinySSD: 'detection' })),
  output('book/nlp-applications', 'inference', (language) =>
    textRuns(language, { DecomposableAttention: 'inference' }),
  ),
  ...['sentiment-birnn', 'sentiment-textcnn'].map((name) =>
    output('book/nlp-applications', name, (language) => ending(siteRun(name), language)),
  ),
  output('story', 'resnet18-summary', () => withNet('book/resnet18', (net) => summary(net))),
  output('story', 'resnet18-explained', () => fenced(resnetExplained())),
  output('story', 'block-orders', orders),
  output('story', 'resnet18-memory', memory),
  output('story', 'ten-lines', (language) => ending(siteRun('ten-lines'), language)),
];

/** A page file, and the output of its language in its place. The Chinese page may not be there. */
export function placesOf({ page, name, print }: Output): { file: string; text: () => string }[] {
  return (['en', 'zh'] as const)
    .map((language) => ({
      file: path.join(ROOT, 'docs', language === 'zh' ? 'zh' : '', `${page}.md`),
      language,
    }))
    .filter(({ file, language }) => language === 'en' || existsSync(file))
    .map(({ file, language }) => ({
      file,
      text: () => withOutput(readFileSync(file, 'utf8'), name, print(language)),
    }));
}

/** A page with an output in its place. @throws Error where the page has not both markers */
function withOutput(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- output:${name}:begin -->`, `<!-- output:${name}:end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`[figures] expected ${begin} and, behind it, ${end}; put them into the page`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
