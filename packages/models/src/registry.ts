import { closest } from '@deepend/checks';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type BookNetOptions, book } from './book';

/** Makes an untrained net. */
export type NetBuilder = (options?: BookNetOptions) => LayersModel;

const builders = new Map<string, NetBuilder>(Object.entries(book).map(([name, builder]) => [`book/${name}`, builder]));

/**
 * Builds the net that `id` names: `createModel('book/resnet18', { inputShape: [96, 96, 1], numClasses: 10 })`.
 * @throws RangeError for an id that no net has; `listModels()` gives those that exist
 */
export function createModel(id: string, options: BookNetOptions = {}): LayersModel {
  const builder = builders.get(id);
  if (builder) return builder(options);
  const near = closest(String(id), listModels());
  const hint = near ? `did you mean '${near}'?` : `there are ${listModels().join(', ')}`;
  throw new RangeError(`[models] createModel: there is no net '${id}'; ${hint}`);
}

/** The ids of all nets, sorted; `pattern` may hold `*` for any characters: `listModels('*resnet*')`. */
export function listModels(pattern = '*'): string[] {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return [...builders.keys()].filter((id) => new RegExp(`^${escaped}$`).test(id)).sort();
}
