/**
 * The site's pages in the order of the sidebar, with their labels in both languages. A page is a
 * Markdown file below docs/, and its Chinese counterpart is the same path below docs/zh/.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { DefaultTheme } from 'vitepress';

export type Language = 'en' | 'zh';

export const DOCS = path.resolve(import.meta.dirname, '..');

type Labels = Readonly<Record<Language, string>>;
type Row = readonly [page: string, en: string, zh: string];

export interface Section {
  readonly label: Labels;
  readonly rows: readonly Row[];
}

const section = (en: string, zh: string, rows: readonly Row[]): Section => ({
  label: { en, zh },
  rows,
});

export const SECTIONS = {
  start: section('Start', '开始', [
    ['getting-started', 'Getting started', '快速入门'],
    ['train-here', 'Train a net here', '在这里训练网络'],
    ['story', 'From copied functions to ResNet-18', '从抄函数到 ResNet-18'],
  ]),
  guides: section('Guides', '指南', [
    ['data', 'Data', '数据'],
    ['my-own-data', 'My own data', '使用自己的数据'],
    ['text', 'Text', '文本'],
    ['vision', 'Object detection', '目标检测'],
    ['models', 'Models', '模型'],
    ['write-your-own-block', 'Write your own block', '编写自己的块'],
    ['modules', 'Modules', '模块'],
    ['training', 'Training', '训练'],
    ['devices', 'Devices', '设备'],
    ['distributed', 'Many machines', '多进程、多机训练'],
    ['weights', 'Weights', '权重'],
    ['exports', 'Exports', '导出'],
    ['plots', 'Plots', '绘图'],
    ['reports', 'Reports', '报告'],
    ['dashboard', 'Dashboard', '仪表板'],
    ['notebooks', 'Notebooks', '笔记本'],
    ['browser', 'In the browser', '在浏览器中'],
  ]),
  book: section('The book', '跟着书学', [
    ['book/index', 'Chapters', '章节一览'],
    ['book/preliminaries', 'Preliminaries', '预备知识'],
    ['book/linear-regression', 'Linear regression', '线性回归'],
    ['book/softmax-regression', 'Softmax regression', 'softmax 回归'],
    ['book/multilayer-perceptrons', 'Multilayer perceptrons', '多层感知机'],
    ['book/builders-guide', "Builders' guide", '深度学习计算'],
    ['book/convolutional-networks', 'Convolutional networks', '卷积神经网络'],
    ['book/modern-convolutional-networks', 'Modern convolutional networks', '现代卷积神经网络'],
    ['book/recurrent-networks', 'Recurrent networks', '循环神经网络'],
    ['book/modern-recurrent-networks', 'Modern recurrent networks', '现代循环神经网络'],
    ['book/attention', 'Attention and Transformers', '注意力机制与 Transformer'],
    ['book/optimization', 'Optimization', '优化算法'],
    ['book/computational-performance', 'Computational performance', '计算性能'],
    ['book/computer-vision', 'Computer vision', '计算机视觉'],
    ['book/nlp-pretraining', 'Language: pretraining', '自然语言处理：预训练'],
    ['book/nlp-applications', 'Language: applications', '自然语言处理：应用'],
    ['book/reinforcement-learning', 'Reinforcement learning', '强化学习'],
    ['book/gaussian-processes', 'Gaussian processes', '高斯过程'],
    ['book/hyperparameter-optimization', 'Hyperparameter search', '超参数优化'],
    ['book/generative-adversarial-networks', 'Adversarial networks', '生成对抗网络'],
  ]),
  recipes: section('Recipes', '实例', [
    ['recipes/index', 'All recipes', '全部实例'],
    ['recipes/quickstart', 'A small ResNet in two minutes', '两分钟训练小型 ResNet'],
    ['recipes/resnet18-fashion-mnist', 'ResNet-18 on Fashion-MNIST', 'ResNet-18 与 Fashion-MNIST'],
    ['recipes/fashion-mnist-fast', 'Test accuracy 0.93 in eight minutes', '八分钟达到 0.93'],
    ['recipes/book-cnns', "The book's convolutional networks", '书中的卷积神经网络'],
    ['recipes/block-orders', 'Five orderings of a block', '残差块的五种排列'],
    ['recipes/translation', 'English to French', '英语翻译成法语'],
    ['recipes/bert', 'A small BERT', '小型 BERT'],
    ['recipes/sentiment', 'Good or bad reviews', '好评还是差评'],
  ]),
  reference: section('Reference', '参考', [
    ['api', 'All names', '全部名称'],
    ['reference/index', 'API by package', '各包 API'],
    ...[
      ...[
        'deepend/index',
        'data/index',
        'models',
        'nn/index',
        'optim',
        'trainer',
        'plot',
        'device',
      ],
      ...['export', 'text', 'vision', 'distributed', 'compiler', 'backend-simd', 'core/index'],
    ].map((page): Row => {
      const name = page.replace('/index', '');
      const label = name === 'deepend' ? name : `@deepend/${name}`;
      return [`reference/${page}`, label, label];
    }),
  ]),
  performance: section('Performance', '性能', [
    ['performance', 'Compared with PyTorch', '与 PyTorch 对比'],
    ['results', "The book's figures", '书中的结果'],
    ['backend-simd', 'The CPU backend', 'CPU 后端'],
    ['webgpu', 'WebGPU', 'WebGPU'],
  ]),
  inside: section('Inside', '内部', [
    ['architecture', 'Architecture', '架构'],
    ['process-state', 'State of a process', '进程状态'],
    ['environment', 'Environment variables', '环境变量'],
    ['bundling', 'Bundling', '打包'],
    ['tensorflow-versions', 'TensorFlow.js versions', 'TensorFlow.js 的版本'],
    ['site', 'This site', '本站'],
    ['changes', 'Changes', '更新记录'],
  ]),
} as const satisfies Record<string, Section>;

/** The page's address in a language; the English one where the Chinese is not written yet. */
export function addressOf(page: string, language: Language): string {
  const isWritten = language === 'zh' && existsSync(path.join(DOCS, 'zh', `${page}.md`));
  return `${isWritten ? '/zh' : ''}/${page.replace(/(^|\/)index$/, '$1')}`;
}

/** All sections; those behind the guides are folded until one of their pages is open. */
export function sidebarOf(language: Language): DefaultTheme.SidebarItem[] {
  return Object.entries(SECTIONS).map(([name, { label, rows }]) => ({
    text: label[language],
    collapsed: !['start', 'guides', 'book'].includes(name),
    items: rows.map(([page, en, zh]) => ({
      text: { en, zh }[language],
      link: addressOf(page, language),
    })),
  }));
}

/** The bar over each page. */
export function navOf(language: Language): DefaultTheme.NavItem[] {
  const tops = [
    ['getting-started', 'Guides', '指南'],
    ['book/index', 'The book', '跟着书学'],
    ['recipes/index', 'Recipes', '实例'],
    ['api', 'API', 'API'],
    ['performance', 'Performance', '性能'],
  ] as const;
  return tops.map(([page, en, zh]) => ({
    text: { en, zh }[language],
    link: addressOf(page, language),
  }));
}
