/**
 * deepend's side: a training step and a prediction as `train` and `predict` compute them, and the
 * data loader.
 */

import { type BuildName, setBuild, setThreads, simdInfo } from '@deepend/backend-simd';
import {
  type AnyLoss,
  listTensors,
  planOf,
  type Tensors,
  type TrainingPlan,
} from '@deepend/compiler';
import { activate, type BackendName } from '@deepend/device';
import { sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import {
  type AnyDataset,
  createModel,
  DataLoader,
  type DataLoaderOptions,
  transforms,
} from 'deepend';
import { type Contender, rate } from './interleave';
import { channelsOf, type LoadJob, type ModelJob, NETS, type NetJob } from './jobs';
import { type Workload, workload } from './models';

const LR = 0.01;

interface Session {
  readonly plan: TrainingPlan;
  readonly features: Tensors;
  readonly labels: tf.Tensor;
  readonly loss: AnyLoss<tf.Scalar>;
  dispose(): void;
}

/** A model and a batch in memory, on the current backend. */
function prepare(job: NetJob | ModelJob): Session {
  const { model, ...rest } =
    job.kind === 'step' ? workload(job.model, job.batch) : netAndBatch(job);
  const dispose = () => {
    tf.dispose([...listTensors(rest.features), rest.labels]);
    model.dispose();
  };
  return { plan: planOf(model), ...rest, dispose };
}

function netAndBatch({ net, size, batch }: NetJob): Workload {
  const { id, options } = NETS[net];
  const image = [size, size, channelsOf(net)] as [number, number, number];
  const classes = Int32Array.from({ length: batch }, (_, i) => (7 * i + 3) % 10);
  return {
    model: createModel(id, { ...options, inputShape: image, numClasses: 10 }),
    features: tf.randomUniform<tf.Rank.R4>([batch, ...image], 0, 1, 'float32', 1),
    labels: tf.tensor1d(classes, 'int32'),
    loss: softmaxCrossEntropy as AnyLoss<tf.Scalar>,
  };
}

/** Forward, backward, update, and the loss read. */
function step({ plan, features, labels, loss: by }: Session, seed: number): void {
  const options = { loss: by, seed };
  const { loss, correct, gradients } = plan.forwardBackward(features, labels, options);
  sgdStep(gradients, { lr: LR });
  const value = loss.dataSync()[0] as number;
  tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
  if (!Number.isFinite(value)) throw new Error(`the loss became ${value}`);
}

function predict({ plan, features }: Session): void {
  const logits = plan.logits(features);
  const [value = Number.NaN] = listTensors(logits)[0]?.dataSync() ?? [];
  tf.dispose(listTensors(logits));
  if (!Number.isFinite(value)) throw new Error(`a logit is ${value}`);
}

export interface OwnOptions {
  backend: BackendName;
  /** Of the simd backend. @default as they are */
  threads?: number;
  /** Of the simd backend. @default the best one */
  build?: BuildName;
  name?: string;
}

/**
 * Samples per second of an backend. The net is built, and one step gone, before the first round is
 * timed.
 */
export function netContender(
  job: NetJob | ModelJob,
  { backend, threads, build, name = backend }: OwnOptions,
): Contender {
  let session: Session | undefined;
  let seed = 0;
  const work = (at: Session) => (job.kind === 'infer' ? predict(at) : step(at, seed++));
  return {
    name,
    async round(seconds) {
      await activate({ backend: backend });
      if (threads) setThreads(threads);
      if (backend === 'simd') setBuild(build ?? (simdInfo().builds[0] as BuildName));
      if (!session) {
        session = prepare(job);
        work(session);
      }
      const ready = session;
      return job.batch * rate(seconds, () => work(ready));
    },
    dispose: () => session?.dispose(),
  };
}

/**
 * Samples per second of the data loader with its own choice of threads. Batches are disposed at
 * once.
 */
export function loadContender(
  job: LoadJob,
  { backend, dataset }: { backend: BackendName; dataset: AnyDataset },
): Contender {
  return {
    name: 'deepend',
    async round(seconds) {
      await activate({ backend: backend });
      const loader = new DataLoader(dataset, {
        batchSize: job.batch,
        shuffle: true,
        ...wayOf(job, dataset),
      });
      let [seen, start] = [0, 0];
      for await (const { features, labels } of loader) {
        if (start > 0) seen += features.shape[0] ?? 0;
        tf.dispose([features, labels]);
        start ||= performance.now(); // the first batch is not counted: it starts what the others find running
        if (performance.now() - start > 1000 * seconds) break;
      }
      return seen / ((performance.now() - start) / 1000);
    },
  };
}

function wayOf(
  { photographs, size }: LoadJob,
  dataset: AnyDataset,
): Pick<DataLoaderOptions, 'resize' | 'transforms'> {
  if (photographs) return { transforms: [transforms.resize(256), transforms.centerCrop(size)] };
  return 'imageShape' in dataset && size === dataset.imageShape[0] ? {} : { resize: size };
}
