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

export type Job = NetJob | LoadJob;

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

/** `train ResNet-18, 28 px, batch 128` */
export function titleOf(job: Job): string {
  const subject =
    job.kind === 'load' ? (job.photographs ? ' photographs,' : '') : ` ${NETS[job.net].title},`;
  return `${job.kind}${subject} ${job.size} px, batch ${job.batch}`;
}

/** Whether every word stands in the job's title or is its net's name. */
export const matches = (job: Job, words: readonly string[]): boolean =>
  words.every((word) =>
    `${titleOf(job)} ${job.kind === 'load' ? '' : job.net}`
      .toLowerCase()
      .includes(word.toLowerCase()),
  );
