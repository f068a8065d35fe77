import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { isModule, type ModuleLike } from '@deepend/compiler';
import { writeFileAtomic, writeFolderAtomic } from '@deepend/core';
import { defaultDevice } from '@deepend/device';
import { GroupedConv2D } from '@deepend/nn';
import { dispose, io } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { buildModel, damaged } from './saved/build-model';
import { checkTopology } from './saved/check-topology';
import { readBytes, readWeights, regularSize, type Weights } from './saved/read-weights';
import { isModuleJson, saveModule } from './saved/save-module';
import { isTemporary } from './saved/temporary';
import { NonFiniteWatch } from './weights/non-finite';

const TOPOLOGY = 'model.json';
const WEIGHTS = 'weights.bin';

/**
 * Writes `dir/model.json` and `dir/weights.bin`, the layers format of TensorFlow.js, on every
 * backend. Stock tfjs loads it without deepend, except for a model with grouped convolutions
 * (ResNeXt, RegNetX): a program that loads one must import `@deepend/models`, and its `model.json`
 * says so under `userDefinedMetadata`. The folder changes as a whole: a process that is killed
 * leaves the old model or the new one.
 *
 * A weight that is not finite is saved as it is, with a warning that names the first one.
 *
 * An `nn.Module` is written as its state dict, `dir/weights.safetensors`, and what `loadModule`
 * needs to build it again.
 * @example
 * await saveModel(model, 'models/resnet18');
 * const again = await loadModel('models/resnet18');
 */
export async function saveModel(model: tfl.LayersModel | ModuleLike, dir: string): Promise<void> {
  if (isModule(model)) return saveModule(model, dir);
  await warnNonFinite(model);
  const artifacts = await collectArtifacts(model);
  const { weightData, weightSpecs = [], ...rest } = artifacts;
  const data = new Uint8Array(io.CompositeArrayBuffer.join(weightData));
  const write = async (weights: string) => {
    const topology = {
      format: 'layers-model',
      generatedBy: rest.generatedBy ?? `TensorFlow.js tfjs-layers v${tfl.version_layers}`,
      convertedBy: null,
      modelTopology: rest.modelTopology,
      weightsManifest: [{ paths: [weights], weights: weightSpecs }],
      ...needs(model),
    };
    const files = { [weights]: data, [TOPOLOGY]: `${JSON.stringify(topology)}\n` };
    await writeFolderAtomic(dir, files, { where: '[models] saveModel', outdated: isTemporary });
  };
  // A model.json that is there must never meet the weights of another model: it is replaced by one
  // that names a new file, and only then are its old weights replaced.
  if (existsSync(path.join(dir, TOPOLOGY))) await write(`weights-${randomUUID()}.bin`);
  await write(WEIGHTS);
}

/** Warns of the first weight that is not finite. */
async function warnNonFinite(model: tfl.LayersModel): Promise<void> {
  const watch = new NonFiniteWatch('[models] saveModel');
  for (const [i, weight] of model.weights.entries())
    watch.check(i, weight.originalName, await weight.read().data<'float32'>());
  watch.warn();
}

/**
 * Writes the layers of a model without their weights, in the format of `model.json`.
 * @throws Error when the file cannot be written, or a layer cannot be described
 */
export async function saveArchitecture(model: tfl.LayersModel, file: string): Promise<void> {
  const json = {
    format: 'layers-model',
    modelTopology: model.toJSON(undefined, false),
    weightsManifest: [],
  };
  await writeFileAtomic(file, `${JSON.stringify(json)}\n`, { where: '[models] saveArchitecture' });
}

/**
 * Builds a model from a file that `saveArchitecture` wrote, with initial weights.
 * @param options.maxValues the most values that its weights may have @default any number
 * @throws Error when the file is missing or damaged, or has a layer of a class that this process
 *   does not know
 */
export async function loadArchitecture(
  file: string,
  options: { maxValues?: number } = {},
): Promise<tfl.LayersModel> {
  const { modelTopology } = await readTopology(file);
  return buildModel(`[models] ${file}`, modelTopology, options);
}

/** The import that stock TensorFlow.js needs before it loads the model. */
function needs(model: tfl.LayersModel): { userDefinedMetadata?: object } {
  const { className } = GroupedConv2D;
  if (!model.layers.some((layer) => layer.getClassName() === className)) return {};
  return {
    userDefinedMetadata: { needs: { [className]: "import '@deepend/models' before loading" } },
  };
}

/** The artifacts that tfjs saves for a model: topology, weight specs and weights. */
export async function collectArtifacts(model: tfl.LayersModel): Promise<io.ModelArtifacts> {
  let collected: io.ModelArtifacts | undefined;
  await model.save(
    io.withSaveHandler(async (artifacts) => {
      collected = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  if (!collected)
    throw new Error(`[models] saveModel: tfjs gave no artifacts for the model '${model.name}'`);
  return collected;
}

/**
 * Reads a model that `saveModel`, or stock tfjs's layers format, wrote: `dir/model.json` and the
 * weight files it names. Everything is checked before memory is allocated for it.
 * @throws Error when a file is missing, damaged or not of the format, and when the manifest names a
 *   file outside the folder; it names the file, and the layer if it is one
 */
export async function loadModel(dir: string): Promise<tfl.LayersModel> {
  const file = path.join(dir, TOPOLOGY);
  const where = `[models] ${file}`;
  const json = await readTopology(file);
  checkTopology(where, json.modelTopology);
  const { specs, data, numValues } = await readWeights(file, json.weightsManifest);
  await defaultDevice();
  const modelSpecs = specs.filter(({ group }) => group !== 'optimizer');
  const options = { maxValues: numValues, specs: modelSpecs };
  const model = await buildModel(where, json.modelTopology, options);
  try {
    await setWeights(model, json, { specs, data });
    return model;
  } catch (error) {
    model.dispose();
    throw damaged(where, error as Error);
  }
}

async function setWeights(
  model: tfl.LayersModel,
  { trainingConfig, userDefinedMetadata }: io.ModelJSON,
  { specs, data }: Pick<Weights, 'specs' | 'data'>,
): Promise<void> {
  if (trainingConfig) model.loadTrainingConfig(trainingConfig as never);
  if (userDefinedMetadata) model.setUserDefinedMetadata(userDefinedMetadata);
  const tensors = io.decodeWeights(data, specs);
  try {
    const groups = new Map(specs.map(({ name, group }) => [name, group]));
    const ofModel = Object.entries(tensors).filter(([name]) => groups.get(name) !== 'optimizer');
    model.loadWeights(Object.fromEntries(ofModel));
    const ofOptimizer = specs
      .filter(({ group }) => group === 'optimizer')
      .map(({ name }) => ({ name, tensor: tensors[name] as never }));
    if (model.optimizer && ofOptimizer.length > 0) await model.optimizer.setWeights(ofOptimizer);
  } finally {
    dispose(tensors);
  }
}

const MAX_TOPOLOGY_BYTES = 2 ** 29; // Node's longest string

async function readTopology(file: string): Promise<io.ModelJSON> {
  const size = await regularSize(file);
  if (size > MAX_TOPOLOGY_BYTES)
    throw new Error(
      `[models] ${file}: expected at most ${MAX_TOPOLOGY_BYTES} bytes, got ${size}; name a ` +
        'folder that saveModel wrote',
    );
  const text = Buffer.from(await readBytes(file, size)).toString('utf8');
  let json: Partial<io.ModelJSON> | null = null;
  try {
    json = JSON.parse(text);
  } catch {}
  if (isModuleJson(json)) {
    throw new Error(
      `[models] ${file}: expected a model of layers, got the module ${json.className}; read it ` +
        `by loadModule(dir, { ${json.className} })`,
    );
  }
  if (json?.modelTopology && Array.isArray(json.weightsManifest)) return json as io.ModelJSON;
  throw new Error(
    `[models] ${file}: expected a model in the layers format of TensorFlow.js, got something ` +
      `else; save the model again`,
  );
}
