/** What is measured: a row a job, with the ratio to PyTorch that is wanted. */
import type { models } from 'deepend';

export interface NetJob {
  readonly kind: 'train' | 'infer';
  /** peer.py's name for the net. */
  readonly net: keyof typeof NETS;
  readonly size: number;
  readonly batch: number;
  readonly target?: number;
}

/** A training step of a row of `MODELS`. */
export interface ModelJob {
  readonly kind: 'step';
  readonly model: keyof typeof MODELS;
  readonly batch: number;
  /** For a native build; WebAssembly is to reach two thirds of it. */
  readonly target?: number;
}

export interface LoadJob {
  readonly kind: 'load';
  /**
   * Photographs: JPEG files of 500 × 375, the shorter side brought to 256, the centre cut out. Else
   * Fashion-MNIST.
   */
  readonly photographs?: true;
  readonly size: number;
  readonly batch: number;
  readonly target?: number;
}

export type Job = NetJob | ModelJob | LoadJob;

/** The nets, the same in peer.py: 10 classes; the book's for 1 channel, torchvision's for 3. */
export const NETS = {
  lenet: { id: 'book/lenet', options: {}, title: 'LeNet' },
  resnet8: { id: 'book/resnet8', options: {}, title: 'ResNet-8' },
  resnet18: { id: 'book/resnet18', options: {}, title: 'ResNet-18' },
  resnet18_cifar: { id: 'book/resnet18', options: { stem: 'cifar' }, title: 'ResNet-18, 3×3 stem' },
  vgg11: { id: 'book/vgg11', options: { widthDivisor: 4 }, title: 'VGG-11 ÷ 4' },
  resnet50: { id: 'resnet50', options: {}, title: 'ResNet-50' },
  resnext50_32x4d: { id: 'resnext50_32x4d', options: {}, title: 'ResNeXt-50' },
  densenet121: { id: 'densenet121', options: {}, title: 'DenseNet-121' },
  googlenet: { id: 'googlenet', options: {}, title: 'GoogLeNet' },
  mobilenet_v2: { id: 'mobilenet_v2', options: {}, title: 'MobileNetV2' },
  alexnet: { id: 'book/alexnet', options: {}, title: 'AlexNet' },
  vgg16: { id: 'book/vgg16', options: {}, title: 'VGG-16' },
  nin: { id: 'book/nin', options: {}, title: 'NiN' },
  densenet: { id: 'book/densenet', options: {}, title: "The book's DenseNet" },
} as const satisfies Record<string, { id: string; options: models.AnyModelOptions; title: string }>;

/**
 * Models that are more than images in and classes out: models.ts builds them, peer_models.py the
 * same in PyTorch, which refuses another number of parameters.
 */
export const MODELS = {
  gru_lm: { title: 'GRU language model, one-hot 28, hidden 256, 35 steps', parameters: 226_844 },
  lstm_lm: {
    title: 'LSTM, vocabulary 1,000, embedding 128, 2 × 256, 64 steps',
    parameters: 1_306_600,
  },
  encoder: {
    title: 'Transformer encoder, 4 layers of width 256, length 128',
    parameters: 3_161_610,
  },
  gpt: { title: 'GPT, 6 layers of width 384, length 256', parameters: 10_795_776 },
  fcn: { title: 'FCN, ResNet-18 trunk, 96 × 128 px', parameters: 12_993_642, isImage: true },
  mlp: { title: 'MLP 784-256-10', parameters: 203_530 },
  mlp_module: { title: 'MLP 784-256-10, eager module', parameters: 203_530 },
} as const satisfies Record<string, ModelRow>;

export interface ModelRow {
  readonly title: string;
  readonly parameters: number;
  /** Whether PyTorch is measured in both memory formats of images. @default false */
  readonly isImage?: true;
}

export const channelsOf = (net: keyof typeof NETS): 1 | 3 =>
  NETS[net].id.startsWith('book/') ? 1 : 3;

export const JOBS: readonly Job[] = [
  { kind: 'train', net: 'resnet18', size: 28, batch: 128, target: 1.6 },
  { kind: 'train', net: 'resnet18', size: 96, batch: 64, target: 1.5 },
  { kind: 'train', net: 'resnet18', size: 224, batch: 16, target: 1.4 },
  { kind: 'train', net: 'vgg11', size: 96, batch: 64, target: 1.5 },
  { kind: 'train', net: 'resnet18_cifar', size: 28, batch: 64, target: 1.4 },
  { kind: 'train', net: 'lenet', size: 28, batch: 256, target: 1 },
  { kind: 'train', net: 'resnet8', size: 28, batch: 64, target: 1.2 },
  { kind: 'train', net: 'alexnet', size: 96, batch: 64, target: 1.2 },
  { kind: 'train', net: 'vgg16', size: 96, batch: 16, target: 1.2 },
  { kind: 'train', net: 'nin', size: 96, batch: 64, target: 1.2 },
  { kind: 'train', net: 'densenet', size: 96, batch: 32, target: 1.2 },
  { kind: 'train', net: 'resnet50', size: 96, batch: 32, target: 1.3 },
  { kind: 'train', net: 'resnext50_32x4d', size: 96, batch: 32, target: 1.2 },
  { kind: 'train', net: 'densenet121', size: 96, batch: 32, target: 1.3 },
  { kind: 'train', net: 'googlenet', size: 96, batch: 32, target: 1.3 },
  { kind: 'train', net: 'mobilenet_v2', size: 96, batch: 32, target: 1.3 },
  { kind: 'step', model: 'gru_lm', batch: 32, target: 1.3 },
  { kind: 'step', model: 'lstm_lm', batch: 64, target: 1.1 },
  { kind: 'step', model: 'encoder', batch: 32, target: 1.1 },
  { kind: 'step', model: 'gpt', batch: 8, target: 1.1 },
  { kind: 'step', model: 'fcn', batch: 16, target: 1.2 },
  { kind: 'step', model: 'mlp', batch: 256, target: 1 },
  { kind: 'step', model: 'mlp_module', batch: 256, target: 0.7 },
  { kind: 'infer', net: 'resnet18', size: 28, batch: 128, target: 1.4 },
  { kind: 'infer', net: 'resnet18', size: 96, batch: 64, target: 1.3 },
  { kind: 'infer', net: 'resnet18', size: 224, batch: 16, target: 1.3 },
  { kind: 'infer', net: 'resnet50', size: 224, batch: 16, target: 1.1 },
  { kind: 'load', size: 28, batch: 128, target: 2 },
  { kind: 'load', size: 96, batch: 128, target: 2 },
  { kind: 'load', size: 224, batch: 128, target: 2 },
  { kind: 'load', photographs: true, size: 224, batch: 64, target: 1 },
];

/** On a GPU: half of what PyTorch does on the same one is aimed at. */
export const GPU_JOBS: readonly NetJob[] = [
  { kind: 'train', net: 'resnet18', size: 224, batch: 128, target: 0.5 },
];

/**
 * Samples/s that training on a GPU must reach at least: what a published run of this net, size and
 * batch had on a CUDA GPU.
 */
export const GPU_FLOOR = 228.1;

/** On a software adapter: that the command works is all that it can show. */
export const SOFTWARE_JOBS: readonly NetJob[] = [
  { kind: 'train', net: 'resnet8', size: 28, batch: 4 },
];

/** Which table of the results a job is in. */
export const tableOf = ({ kind }: Job): 'train' | 'infer' | 'load' =>
  kind === 'step' ? 'train' : kind;

/** `train ResNet-18, 28 px, batch 128` */
export function titleOf(job: Job): string {
  const { batch } = job;
  if (job.kind === 'step') return `train ${MODELS[job.model].title}, batch ${batch}`;
  const subject =
    job.kind === 'load' ? (job.photographs ? ' photographs,' : '') : ` ${NETS[job.net].title},`;
  return `${job.kind}${subject} ${job.size} px, batch ${batch}`;
}

const nameOf = (job: Job): string =>
  job.kind === 'load' ? '' : job.kind === 'step' ? `models ${job.model}` : job.net;

/** Whether every word stands in the job's title or its net's name; `models` are those of MODELS. */
export const matches = (job: Job, words: readonly string[]): boolean =>
  words.every((word) =>
    `${titleOf(job)} ${nameOf(job)}`.toLowerCase().includes(word.toLowerCase()),
  );

/** The least ratio to PyTorch for the build that computes. */
export const targetOf = (job: Job, { isNative }: { isNative: boolean }): number | undefined =>
  job.kind === 'step' && job.target !== undefined && !isNative ? (2 / 3) * job.target : job.target;
