/** What is measured: a row a job, with the ratio to PyTorch that is wanted. */
import type { BookNetOptions } from 'deepend';

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
  readonly size: number;
  readonly batch: number;
  readonly target?: number;
}

export type Job = NetJob | LoadJob;

/** The nets, the same in peer.py: 1 channel, 10 classes. */
export const NETS = {
  lenet: { id: 'book/lenet', options: {}, title: 'LeNet' },
  resnet8: { id: 'book/resnet8', options: {}, title: 'ResNet-8' },
  resnet18: { id: 'book/resnet18', options: {}, title: 'ResNet-18' },
  resnet18_cifar: { id: 'book/resnet18', options: { stem: 'cifar' }, title: 'ResNet-18, 3×3 stem' },
  vgg11: { id: 'book/vgg11', options: { widthDivisor: 4 }, title: 'VGG-11 ÷ 4' },
} as const satisfies Record<string, { id: string; options: BookNetOptions; title: string }>;

export const JOBS: readonly Job[] = [
  { kind: 'train', net: 'resnet18', size: 28, batch: 128, target: 1 },
  { kind: 'train', net: 'resnet18', size: 96, batch: 64, target: 0.8 },
  { kind: 'train', net: 'resnet18', size: 224, batch: 16, target: 0.7 },
  { kind: 'train', net: 'vgg11', size: 96, batch: 64, target: 0.8 },
  { kind: 'train', net: 'resnet18_cifar', size: 28, batch: 64, target: 0.8 },
  { kind: 'train', net: 'lenet', size: 28, batch: 256, target: 0.5 },
  { kind: 'train', net: 'resnet8', size: 28, batch: 64 },
  { kind: 'infer', net: 'resnet18', size: 28, batch: 128, target: 0.7 },
  { kind: 'infer', net: 'resnet18', size: 96, batch: 64, target: 0.7 },
  { kind: 'infer', net: 'resnet18', size: 224, batch: 16, target: 0.7 },
  { kind: 'load', size: 28, batch: 128 },
  { kind: 'load', size: 96, batch: 128 },
  { kind: 'load', size: 224, batch: 128 },
];

/** `train ResNet-18, 28 px, batch 128` */
export function titleOf(job: Job): string {
  const subject = job.kind === 'load' ? '' : ` ${NETS[job.net].title},`;
  return `${job.kind}${subject} ${job.size} px, batch ${job.batch}`;
}

/** Whether every word stands in the job's title or is its net's name. */
export const matches = (job: Job, words: readonly string[]): boolean =>
  words.every((word) => `${titleOf(job)} ${job.kind === 'load' ? '' : job.net}`.toLowerCase().includes(word.toLowerCase()));
