/** Loaders of one process's share of each batch, for training on several processes. */
import { sliceTensors } from '@deepend/compiler';
import { partOf, type Share } from '@deepend/core';
import type { Ranks } from '@deepend/distributed';
import { type AnyBatch, type AnyLoader, countSamples, disposeBatch } from './loader';

/** Whether other ranks have all samples of a batch: there is nothing to check or compute then. */
export const isEmptyShare = (batch: AnyBatch, ranks: Ranks | undefined): boolean =>
  ranks !== undefined && countSamples(batch) === 0;

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
    const part = {
      ...batch,
      features: sliceTensors(batch.features, start, length),
      labels: sliceTensors(batch.labels, start, length),
    };
    disposeBatch(batch); // before the step, which needs the memory
    yield part;
  }
}
