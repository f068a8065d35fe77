/** Saves and loads `nn.Module`s: their state, and their constructor's arguments if declared. */
import path from 'node:path';
import { isModule, type ModuleLike } from '@deepend/compiler';
import { formatValue, writeFolderAtomic } from '@deepend/core';
import * as nn from '@deepend/nn';
import { loadWeights, writeWeights } from '../weights/weights';
import { readBytes, regularSize } from './read-weights';
import { isTemporary } from './temporary';

const WEIGHTS = 'weights.safetensors';
const FORMAT = 'deepend-module';

/** A module's `model.json`. */
interface ModuleJson {
  readonly format: typeof FORMAT;
  readonly className: string;
  /** The constructor's arguments. */
  readonly config?: readonly unknown[];
}

/**
 * Writes `dir/weights.safetensors`, the state dict, and then `dir/model.json`, the class's name and
 * the arguments of its constructor if `config()` declares them.
 */
export async function saveModule(module: ModuleLike, dir: string): Promise<void> {
  const where = '[models] saveModel';
  const config = module.config?.();
  const json: ModuleJson = {
    format: FORMAT,
    className: (module.compiled?.module ?? module).constructor.name,
    ...(config && { config }),
  };
  const file = `${JSON.stringify(json, null, 2)}\n`;
  if (config && JSON.stringify(JSON.parse(file).config) !== JSON.stringify(config))
    throw new TypeError(`${where}: expected config() of ${json.className} to be plain JSON`);
  await writeFolderAtomic(dir, {}, { where });
  await writeWeights(module, path.join(dir, WEIGHTS), { where, metadata: { format: 'pt' } });
  await writeFolderAtomic(dir, { 'model.json': file }, { where, outdated: isTemporary });
}

/** Whether a `model.json` is of a module. */
export const isModuleJson = (json: unknown): json is ModuleJson =>
  (json as ModuleJson | null)?.format === FORMAT;

type ModuleClass = new (...args: never[]) => ModuleLike;

/**
 * Reads a module that `saveModel` wrote: builds it by its class from the constructor's arguments
 * that `config()` declared, and loads its weights.
 * @param classes the classes that may stand there, by name
 * @throws Error when the file is missing or damaged, is of no module or of a class that is not
 *   given, or the class declares no `config()`; then build the module and call `loadWeights(module,
 *   'dir/weights.safetensors')`
 * @example
 * const net = await loadModule('models/gru', { CharacterModel });
 */
export async function loadModule<Classes extends Readonly<Record<string, ModuleClass>>>(
  dir: string,
  classes: Classes,
): Promise<InstanceType<Classes[keyof Classes]>> {
  const file = path.join(dir, 'model.json');
  const where = `[models] loadModule: ${file}`;
  const bytes = await readBytes(file, await regularSize(file));
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {}
  if (!isModuleJson(json))
    throw new Error(`${where}: expected a module, got another file; loadModel reads other models`);
  const Class = Object.hasOwn(classes, json.className) ? classes[json.className] : undefined;
  if (!Class) {
    throw new Error(
      `${where}: expected one of ${Object.keys(classes).join(', ') || 'no classes'}, got a ` +
        `${formatValue(json.className)}; pass its class`,
    );
  }
  const weights = path.join(dir, WEIGHTS);
  if (!json.config) {
    throw new Error(
      `${where}: expected the constructor's arguments, but ${json.className} declares no ` +
        `config(); build the module yourself and call loadWeights(module, '${weights}')`,
    );
  }
  // Modules made of others describe them by their classes' names.
  const inside = { ...(nn as unknown as nn.ModuleClasses), ...classes };
  const module = nn.withClasses(
    inside,
    () => new Class(...(json.config as never[])) as InstanceType<Classes[keyof Classes]>,
  );
  if (!isModule(module)) throw new TypeError(`${where}: ${json.className} is no nn.Module`);
  await loadWeights(module, weights);
  return module;
}
