/** What a run says before its first step: device, model, data and steps. */
import type { RunInfo } from './callbacks/callback';
import type { AnyLoader } from './loader';

const formatCount = (count: number) => count.toLocaleString('en-US');

/**
 * `training on cpu: Intel Core i7, 8 of 8 cores (a CPU was asked for)` and
 * `book/lenet (61,706 parameters), 60,000 images of 28×28×1, 10,000 for the test: 5 epochs of 235
 * steps`
 */
export function openingLines(
  info: RunInfo,
  { trainLoader, testLoader }: { trainLoader: AnyLoader; testLoader: AnyLoader | null },
): string[] {
  const { model, numEpochs, numSamples, numBatches, history } = info;
  const { name, hardware, why } = info.device;
  const names = info.devices?.map((one) => one.name).join(', ');
  const shape = trainLoader.inputShape ?? info.control.plan.inputShape;
  const test = testLoader ? `, ${formatCount(testLoader.numSamples)} for the test` : '';
  const steps = `${formatCount(numBatches)} ${numBatches === 1 ? 'step' : 'steps'}`;
  const epochs = `${numEpochs} ${numEpochs === 1 ? 'epoch' : 'epochs'} of ${steps}`;
  return [
    `training on ${names ? `[${names}]` : name}: ${hardware} (${why})`,
    `${model.name} (${formatCount(countParameters(info))} parameters), ` +
      `${formatCount(numSamples)} ${describeSamples(shape)}${test}: ${epochs}`,
    ...(info.resumed ? [`resuming after ${history.length} of ${numEpochs} epochs`] : []),
  ];
}

/** Like PyTorch, without the statistics of batch normalization. */
const countParameters = ({ model }: RunInfo): number =>
  model.weights
    .filter(({ originalName }) => !/moving_(mean|variance)$/.test(originalName))
    .reduce((sum, { shape }) => sum + shape.reduce<number>((n, size) => n * (size ?? 1), 1), 0);

function describeSamples(shape: readonly (number | null)[] | undefined): string {
  if (!shape) return 'samples';
  const sizes = shape.map((size) => size ?? 'any').join('×');
  return shape.length === 3 ? `images of ${sizes}` : `samples of ${sizes}`;
}

/** Height of the images before they were resized, in pixels, where the loader has a dataset. */
export function originalSizeOf(loader: AnyLoader): number | undefined {
  const { dataset } = loader as { dataset?: { imageShape?: readonly number[] } };
  const [height, width] = dataset?.imageShape ?? [];
  return height === width ? height : undefined;
}
