/** Softmax and log-softmax over the last axis. The cross-entropy is in fused.ts. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { SoftmaxKind, Task } from '../../assembly/ops';
import { type Call, isFloat, type Kernel, size } from './types';

const TILE = 4096;

function takes(call: Call): boolean {
  const { shape } = call.inputs.logits as TensorInfo;
  const axis = call.attrs.dim ?? call.attrs.axis ?? -1;
  return (
    isFloat(call) &&
    size(shape) > 0 &&
    shape.length > 0 &&
    (axis === -1 || axis === shape.length - 1)
  );
}

const kernel = (name: string, kind: SoftmaxKind): Kernel => ({
  name,
  takes,
  run({ inputs, backend }) {
    const logits = inputs.logits as TensorInfo;
    const columns = logits.shape.at(-1) as number;
    const rows = size(logits.shape.slice(0, -1));
    const block = Math.max(1, Math.floor(TILE / columns));
    const out = backend.output(logits.shape);
    backend.launch(
      Task.Softmax,
      {
        x: backend.pointer(logits),
        out: backend.pointer(out),
        labels: 0,
        losses: 0,
        correct: 0,
        rows,
        columns,
        block,
        kind,
        scale: 0,
        weights: 0,
        classWeights: 0,
        smoothing: 0,
      },
      Math.ceil(rows / block),
    );
    return out;
  },
});

export const softmaxKernels: readonly Kernel[] = [
  kernel('Softmax', SoftmaxKind.Softmax),
  kernel('LogSoftmax', SoftmaxKind.LogSoftmax),
];
