/**
 * The settings of a recipe as flags: the book's where nothing is asked. `--size 96 --epochs 2
 * --train 6400 --lr 0.05 --out runs/try`
 */
import { parseArgs } from 'node:util';
import { type ImageShape, type Init, models } from 'deepend';

/** @param own settings that the script takes in place of the book's */
export function settings(
  id: keyof typeof models.RECIPES,
  own: Partial<models.Recipe> & { out?: string } = {},
) {
  const recipe = models.RECIPES[id];
  const {
    size = recipe.size,
    batchSize = recipe.batchSize,
    lr = recipe.lr,
    numEpochs = recipe.numEpochs,
  } = own;
  const { out = `runs/${id.replace('book/', '')}` } = own;
  const text = (value: string | number) => ({ type: 'string', default: `${value}` }) as const;
  const { values } = parseArgs({
    options: {
      size: text(size), // pixels that images are resized to
      'batch-size': text(batchSize),
      lr: text(lr),
      epochs: text(numEpochs),
      train: text(60_000), // images to learn from
      test: text(10_000),
      seed: text(0),
      init: text('xavier-uniform'), // or he-normal, with which deep nets without batch norm learn sooner
      out: text(out),
    },
  });
  const number = (name: Exclude<keyof typeof values, 'out' | 'init'>) => Number(values[name]);
  return {
    batchSize: number('batch-size'),
    data: {
      resize: number('size'),
      numTrain: number('train'),
      numTest: number('test'),
      seed: number('seed'),
    },
    training: { numEpochs: number('epochs'), lr: number('lr'), seed: number('seed') },
    /** What the net's builder is given. */
    net: {
      inputShape: [number('size'), number('size'), 1] as ImageShape,
      numClasses: 10,
      seed: number('seed'),
      init: values.init as Init,
    },
    out: values.out,
  };
}
