/** What would make a long run shorter. */
import { formatDuration } from './estimate';
import { costForSize } from './image-cost';
import type { AnyModel } from './model';

const LONG_SECONDS = 600;
const SIZES = [128, 96, 64, 48, 32, 28]; // pixels
const WORTHWHILE = 0.5; // a size is advised when it takes at most this fraction of the time

export interface LongRun {
  readonly model: AnyModel;
  /** `[height, width, channels]` */
  readonly inputShape: readonly number[];
  /** Height and width of the images before they were resized, in pixels, if that is known. */
  readonly originalSize?: number | undefined;
  readonly numEpochs: number;
  readonly seconds: number;
}

/**
 * `` `resize: 28` would take about 7 min ``, from the model's multiply-accumulates; fewer epochs
 * where no smaller image would do. Undefined for a run that is not long.
 */
export function adviceFor(run: LongRun): string | undefined {
  if (run.seconds < LONG_SECONDS) return undefined;
  return smallerImages(run) ?? fewerEpochs(run);
}

function smallerImages({ model, inputShape, originalSize, seconds }: LongRun): string | undefined {
  const [height = 0, width = 0] = inputShape;
  if (inputShape.length !== 3 || height !== width) return undefined;
  const cost = costForSize(model, height);
  if (!cost) return undefined;
  const upscaled = originalSize !== undefined && originalSize < height;
  const sizes = upscaled ? [originalSize, ...SIZES.filter((size) => size > originalSize)] : SIZES;
  const candidates = sizes
    .filter((size) => size < height)
    .map((size) => ({ size, fraction: (costForSize(model, size) ?? cost) / cost }))
    .filter(({ fraction }) => fraction <= WORTHWHILE);
  const short = ({ fraction }: { fraction: number }) => fraction * seconds < LONG_SECONDS;
  const found = upscaled ? candidates[0] : (candidates.find(short) ?? candidates.at(-1));
  if (!found) return undefined;
  const time = formatDuration(found.fraction * seconds);
  return `\`resize: ${found.size}\` would take about ${time}`;
}

function fewerEpochs({ numEpochs, seconds }: LongRun): string | undefined {
  const epochs = Math.max(1, Math.floor((LONG_SECONDS * numEpochs) / seconds));
  if (epochs >= numEpochs) return '`numTrain` takes fewer images';
  const time = formatDuration((seconds * epochs) / numEpochs);
  return `\`numEpochs: ${epochs}\` would take about ${time}`;
}
