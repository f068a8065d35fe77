/** The data of a run, loaded again from its settings or from what its script recorded. */
import { type DataOrigin, type LoaderDescription, loaderFrom, nameOfOrigin } from '@deepend/data';
import type { Loader } from '@deepend/trainer';
import { createLoaders } from '../experiment';
import { settingsFrom } from '../settings';
import { matchClasses } from './match-classes';
import { isUnavailable, type Run, type Unavailable } from './read-run';
import { isObject, type RunConfig } from './records';

export interface TestSetOptions {
  /** Another dataset, by its id. @default the run's own */
  readonly data?: string | undefined;
  /** @default the run's own */
  readonly batchSize?: number | undefined;
  /** Whether to show downloads on stderr. @default true */
  readonly progress?: boolean;
}

type Part = 'train' | 'test';

/** What to do when only the script can make the data. */
const inScript = (dir: string) =>
  `evaluate it in the script: evaluate(await loadModel('${dir}/model'), testIter)`;

/**
 * Loads the test set of a run, with the classes in the order of the run's.
 * @throws DataError when the data are not on this machine; RangeError when their classes are others
 */
export async function loadTestSet(
  run: Pick<Run, 'dir' | 'config' | 'settings'>,
  options: TestSetOptions = {},
): Promise<Loader | Unavailable> {
  const { dir, config, settings } = run;
  const loader = isUnavailable(settings)
    ? await loadRecorded(run, 'test', options)
    : (await createLoaders(withOverrides(settings, options), options))[1];
  if (isUnavailable(loader)) return loader;
  return matchClasses(`[deepend] ${dir}`, loader, config.classNames);
}

/**
 * The test set, for a command that cannot do without.
 * @throws Error with the reason and what to do
 */
export async function requireTestSet(
  run: Pick<Run, 'dir' | 'config' | 'settings'>,
  options?: TestSetOptions,
): Promise<Loader> {
  const found = await loadTestSet(run, options);
  if (isUnavailable(found)) throw new Error(`${run.dir}: ${found.reason}; ${found.hint}`);
  return found;
}

/** Augmentation concerns only the training set, whose loader is not used here. */
function withOverrides(
  { augment: _, ...settings }: Exclude<Run['settings'], Unavailable>,
  { data, batchSize }: TestSetOptions,
) {
  const changes = { ...(data && { data }), ...(batchSize && { batchSize }) };
  return settingsFrom('[deepend] settings', settings, changes);
}

/** Loads the data that a script's run recorded. */
export async function loadRecorded(
  { dir, config }: Pick<Run, 'dir' | 'config'>,
  part: Part,
  { data, batchSize, progress = true }: TestSetOptions = {},
): Promise<Loader | Unavailable> {
  const found = recordedLoader(config, part);
  if (isUnavailable(found)) return { ...found, hint: inScript(dir) };
  const options = { progress, ...(batchSize && { batchSize }) };
  if (data === undefined) return (await loaderFrom(found, options)) as Loader;
  const { numSamples: _, ...others } = found;
  const origin: DataOrigin = { kind: 'dataset', id: data, split: part };
  return (await loaderFrom({ ...others, data: origin }, options)) as Loader;
}

function recordedLoader(config: RunConfig, part: Part): LoaderDescription | Unavailable {
  const name = part === 'test' ? 'test data' : 'training data';
  const { loaders } = config;
  const description = loaders?.[part];
  if (loaders && description === null)
    return { reason: 'the run was trained without a test set', hint: '' };
  if (isObject(description) && isObject(description.data) && isObject(description.options))
    return description as unknown as LoaderDescription;
  const why = isObject(description) && typeof description.reason === 'string';
  const reason = why ? description.reason : 'config.json does not describe it';
  return {
    reason: `a script started this run, and its ${name} cannot be loaded: ${reason}`,
    hint: '',
  };
}

/** The name of a run's data for people; undefined when it is not recorded. */
export function nameOfData({ config, settings }: Pick<Run, 'config' | 'settings'>) {
  if (!isUnavailable(settings)) return settings.data;
  const found = recordedLoader(config, 'train');
  return isUnavailable(found) ? undefined : nameOfOrigin(found.data);
}
