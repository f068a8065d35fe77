/** Loaders of one process's share of each batch, for training on several processes. */
import { sliceTensors } from '@deepend/compiler';
import { partOf, type Share } from '@deepend/core';
import { type AnyBatch, type AnyLoader, countSamples, disposeBatch } from './loader';

/**
 * The loader's own share where it has one, so that only its samples are read; else its batches,
 * of which each is cut. Its numbers are those of whole batches.
 */
export function shareLoader(loader: AnyLoader, share: Share): AnyLoader {
  return loader.share?.(share) ?? cutLoader(loader, share);
}

function cutLoader(loader: AnyLoader, share: Share): AnyLoader {
  // Its other members, such as `state`, are the loader's own.
  return new Proxy(loader, {
    get(target, key) {
      if (key === Symbol.asyncIterator) return () => cutBatches(target, share);
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function* cutBatches(loader: AnyLoader, share: Share): AsyncGenerator<AnyBatch> {
  for await (const batch of loader) {
    const { start, length } = partOf(countSamples(batch), share);
    const { features, labels, ...rest } = batch;
    try {
      yield {
        ...rest,
        features: sliceTensors(features, start, length),
        labels: sliceTensors(labels, start, length),
      };
    } finally {
      disposeBatch(batch);
    }
  }
}
