/**
 * Recurrent layers over all time steps. The weights are packed once for all steps; each step is one
 * matrix product and one task for the gates. See assembly/recurrent.ts.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BinaryOp, RecurrentCell, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { RecurrentArgs } from '../generated/bindings';
import { pairwise } from './elementwise';
import { packedProduct, withPanels } from './matmul';
import type { Call, FusedKernel } from './types';

const CELLS = {
  tanh: { code: RecurrentCell.Tanh, gates: 1 },
  relu: { code: RecurrentCell.Relu, gates: 1 },
  gru: { code: RecurrentCell.Gru, gates: 3 },
  lstm: { code: RecurrentCell.Lstm, gates: 4 },
} as const;

/** Numbers of a state in a tile. */
const TILE = 2048;

type Inputs = Record<string, TensorInfo>;

interface Sizes {
  readonly time: number;
  readonly batch: number;
  readonly hidden: number;
  readonly gates: number;
  readonly block: number;
}

function sizesOf(gates: TensorInfo, cell: keyof typeof CELLS): Sizes {
  const [time = 0, batch = 0, wide = 0] = gates.shape;
  const hidden = wide / CELLS[cell].gates;
  const block = Math.max(1, Math.floor(TILE / hidden));
  return { time, batch, hidden, gates: CELLS[cell].gates, block };
}

/** Bytes of a step's state, and of its gates. */
const stateBytes = ({ batch, hidden }: Sizes) => batch * hidden * 4;
const gateBytes = (sizes: Sizes) => stateBytes(sizes) * sizes.gates;

/** The steps' order: the index of a step, and of the one before it, or -1. */
const stepAt = (i: number, time: number, reverse: boolean) =>
  reverse ? { t: time - 1 - i, before: i > 0 ? time - i : -1 } : { t: i, before: i - 1 };

/** What all steps share; a step fills in its addresses. */
type StepArgs = { -readonly [K in keyof RecurrentArgs]: RecurrentArgs[K] };

const sharedArgs = (sizes: Sizes, cell: number, lengths: number): StepArgs => ({
  x: 0,
  product: 0,
  previous: 0,
  previousCell: 0,
  state: 0,
  gates: 0,
  extra: 0,
  lengths,
  dOutput: 0,
  carry: 0,
  dCell: 0,
  dGates: 0,
  dHidden: 0,
  batch: sizes.batch,
  hidden: sizes.hidden,
  block: sizes.block,
  step: 0,
  cell,
});

const pointer = (backend: SimdBackend, tensor: TensorInfo | undefined) =>
  tensor ? backend.pointer(tensor) : 0;

function recurrent({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { projected, h0, c0, weightHh, biasHh, lengths } = inputs as Inputs;
  const cell = attrs.cell as keyof typeof CELLS;
  const sizes = sizesOf(projected as TensorInfo, cell);
  const { time, batch, hidden, gates: count, block } = sizes;
  const states = backend.output([time, batch, hidden]);
  const gates = backend.output([time, batch, count * hidden]);
  const extra = count > 1 ? backend.output([time, batch, hidden]) : undefined;
  const [x, first] = [pointer(backend, projected), pointer(backend, h0)];
  const [statesAt, gatesAt] = [pointer(backend, states), pointer(backend, gates)];
  const [extraAt, firstCell] = [pointer(backend, extra), pointer(backend, c0)];
  const [weights, bias] = [pointer(backend, weightHh), pointer(backend, biasHh)];
  const args = sharedArgs(sizes, CELLS[cell].code, pointer(backend, lengths));
  const [step, wide] = [stateBytes(sizes), gateBytes(sizes)];
  const columns = count * hidden;
  const panels = { b: weights, count: 1, k: hidden, columns, kStride: 1, nStride: hidden };
  withPanels(backend, { ...panels, matrixStride: 0 }, (packed) =>
    backend.temporary(wide, (product) => {
      for (let i = 0; i < time; i++) {
        const { t, before } = stepAt(i, time, attrs.reverse);
        const previous = before < 0 ? first : statesAt + before * step;
        packedProduct(backend, {
          a: previous,
          b: packed,
          c: product,
          bias,
          m: batch,
          n: columns,
          k: hidden,
        });
        args.x = x + t * wide;
        args.product = product;
        args.previous = previous;
        args.previousCell = before < 0 ? firstCell : extraAt + before * step;
        args.state = statesAt + t * step;
        args.gates = gatesAt + t * wide;
        args.extra = extraAt + t * step;
        args.step = t;
        backend.launch(Task.RecurrentStep, args, Math.ceil(batch / block));
      }
    }),
  );
  return extra ? [states, gates, extra] : [states, gates];
}

/** Copies a tensor's numbers into an output. */
function copyInto(backend: SimdBackend, from: TensorInfo, to: TensorInfo): void {
  (backend.values(to) as Float32Array).set(backend.values(from) as Float32Array);
}

function recurrentGradient({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { dOutput, dh, dc, h0, c0, weightHh, lengths, states, gates, extra } = inputs as Inputs;
  const cell = attrs.cell as keyof typeof CELLS;
  const sizes = sizesOf(gates as TensorInfo, cell);
  const { time, batch, hidden, gates: count, block } = sizes;
  const columns = count * hidden;
  const dGates = backend.output([time, batch, columns]);
  const dHidden = cell === 'gru' ? backend.output([time, batch, columns]) : dGates;
  const dh0 = backend.output([batch, hidden]); // and before, what passes from step to step
  const dc0 = cell === 'lstm' ? backend.output([batch, hidden]) : undefined;
  copyInto(backend, dh as TensorInfo, dh0);
  if (dc0) copyInto(backend, dc as TensorInfo, dc0);
  const [dOut, first] = [pointer(backend, dOutput), pointer(backend, h0)];
  const [statesAt, gatesAt] = [pointer(backend, states), pointer(backend, gates)];
  const [extraAt, firstCell] = [pointer(backend, extra), pointer(backend, c0)];
  const [dGatesAt, dHiddenAt] = [pointer(backend, dGates), pointer(backend, dHidden)];
  const carry = pointer(backend, dh0);
  const args = sharedArgs(sizes, CELLS[cell].code, pointer(backend, lengths));
  const [step, wide] = [stateBytes(sizes), gateBytes(sizes)];
  const panels = { b: pointer(backend, weightHh), count: 1, k: columns, columns: hidden };
  withPanels(backend, { ...panels, kStride: hidden, nStride: 1, matrixStride: 0 }, (packed) =>
    backend.temporary(step, (product) => {
      new Float32Array(backend.buffer, product, batch * hidden).fill(0);
      for (let i = time - 1; i >= 0; i--) {
        const { t, before } = stepAt(i, time, attrs.reverse);
        args.product = product;
        args.previous = before < 0 ? first : statesAt + before * step;
        args.previousCell = before < 0 ? firstCell : extraAt + before * step;
        args.gates = gatesAt + t * wide;
        args.extra = extraAt + t * step;
        args.dOutput = dOut + t * step;
        args.carry = carry;
        args.dCell = pointer(backend, dc0);
        args.dGates = dGatesAt + t * wide;
        args.dHidden = dHiddenAt + t * wide;
        args.step = t;
        backend.launch(Task.RecurrentGradient, args, Math.ceil(batch / block));
        packedProduct(backend, {
          a: args.dHidden,
          b: packed,
          c: product,
          bias: 0,
          m: batch,
          n: hidden,
          k: columns,
        });
      }
      const shape = [batch, hidden];
      const place = (at: number) => ({ at, shape });
      pairwise(backend, BinaryOp.Add, place(carry), place(product), place(carry));
    }),
  );
  if (cell === 'gru') return [dGates, dh0, dHidden];
  return dc0 ? [dGates, dh0, backend.alias(dGates, dGates.shape), dc0] : [dGates, dh0];
}

export const recurrentKernels: readonly FusedKernel[] = [
  { name: 'deepend.recurrent', run: recurrent },
  { name: 'deepend.recurrentGradient', run: recurrentGradient },
];
