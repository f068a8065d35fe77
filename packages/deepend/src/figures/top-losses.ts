import { checkOptions, rule } from '@deepend/core';
import { type Figure, showImages } from '@deepend/plot';
import { type AnyModel, type Loader, type TopLoss, topLosses } from '@deepend/trainer';

const WHERE = '[deepend] showTopLosses';
const options = rule.object({
  count: rule.positiveInteger().optional(),
  cols: rule.positiveInteger().optional(),
});

/**
 * Draws the images of a loader with the largest losses, worst first, with their true and predicted
 * classes and the loss.
 * @param settings.count number of images @default 18
 * @param settings.cols number of images in a row @default 6
 */
export async function showTopLosses(
  net: AnyModel,
  loader: Loader,
  settings: { count?: number; cols?: number } = {},
): Promise<Figure> {
  const { count = 18, cols = 6 } = checkOptions(WHERE, options, settings);
  const worst = await topLosses(net, loader, count, { images: true });
  if (worst.length === 0)
    throw new RangeError(`${WHERE}: the loader gave no batch; expected at least one`);
  const name = (index: number) => loader.classNames?.[index] ?? `class ${index}`;
  return showImages(imagesOf(worst), {
    cols: Math.min(cols, worst.length),
    titles: worst.map(
      ({ truth, predicted, loss }) => `${name(truth)}\n→ ${name(predicted)}, ${loss.toFixed(2)}`,
    ),
  });
}

function imagesOf(worst: readonly TopLoss[]) {
  const values = worst.flatMap(({ image }) => [...(image?.values ?? [])]);
  return {
    shape: [worst.length, ...(worst[0]?.image?.shape ?? [])],
    dtype: 'float32',
    data: () => values,
  };
}
