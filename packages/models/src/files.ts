import path from 'node:path';
import { writeFileAtomic, writeFolderAtomic } from '@deepend/core';
import { defaultDevice } from '@deepend/device';
import { GroupedConv2D } from '@deepend/nn';
import { io } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';

const TOPOLOGY = 'model.json';
const WEIGHTS = 'weights.bin';

/**
 * Writes `dir/model.json` and `dir/weights.bin`, the layers format of TensorFlow.js, on every
 * backend. Stock tfjs loads it without deepend, except for a model with grouped convolutions
 * (ResNeXt, RegNetX): a program that loads one must import `@deepend/models`, and its `model.json`
 * says so under `userDefinedMetadata`. Each file appears complete or not at all, and a new folder
 * only with both.
 * @example
 * await saveModel(model, 'models/resnet18');
 * const again = await loadModel('models/resnet18');
 */
export async function saveModel(model: tfl.LayersModel, dir: string): Promise<void> {
  const artifacts = await collectArtifacts(model);
  const { weightData, weightSpecs = [], ...rest } = artifacts;
  const topology = {
    format: 'layers-model',
    generatedBy: rest.generatedBy ?? `TensorFlow.js tfjs-layers v${tfl.version_layers}`,
    convertedBy: null,
    modelTopology: rest.modelTopology,
    weightsManifest: [{ paths: [WEIGHTS], weights: weightSpecs }],
    ...needs(model),
  };
  const weights = io.CompositeArrayBuffer.join(weightData);
  const files = { [WEIGHTS]: new Uint8Array(weights), [TOPOLOGY]: `${JSON.stringify(topology)}\n` };
  await writeFolderAtomic(dir, files, { where: '[models] saveModel' });
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
 * @throws Error when the file is missing or damaged, or has a layer of a class that this process
 *   does not know
 */
export async function loadArchitecture(file: string): Promise<tfl.LayersModel> {
  const { modelTopology } = await readTopology(file);
  return tfl.models.modelFromJSON({ modelTopology } as never);
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
 * weight files it names. The weights are on the current backend; where none was chosen, on the best
 * CPU backend, which is started.
 * @throws Error when a file is missing, truncated or not of the format; it names the file
 */
export async function loadModel(dir: string): Promise<tfl.LayersModel> {
  const json = await readTopology(path.join(dir, TOPOLOGY));
  await defaultDevice();
  const artifacts = await io.getModelArtifactsForJSON(json, async (manifest) => {
    const specs = manifest.flatMap((group) => group.weights);
    const files = manifest.flatMap((group) => group.paths);
    const buffers = await Promise.all(files.map((file) => readWeights(path.join(dir, file))));
    const expected = specs.reduce((bytes, spec) => bytes + specBytes(spec), 0);
    const got = buffers.reduce((bytes, buffer) => bytes + buffer.byteLength, 0);
    if (expected !== got) {
      const where = files.map((file) => path.join(dir, file)).join(', ');
      throw new Error(
        `[models] ${where}: expected ${expected} bytes of weights, got ${got}; save the ` +
          `model again`,
      );
    }
    return [specs, buffers];
  });
  return tfl.loadLayersModel(io.fromMemory(artifacts));
}

const specBytes = (spec: io.WeightsManifestEntry) => {
  const dtype = spec.quantization?.dtype ?? spec.dtype;
  const width =
    ({ uint8: 1, bool: 1, uint16: 2, float16: 2 } as Record<string, number>)[dtype] ?? 4;
  return spec.shape.reduce((a, b) => a * b, 1) * width;
};

async function readTopology(file: string): Promise<io.ModelJSON> {
  const text = await fs.readFile(file, 'utf8').catch((cause: Error) => {
    throw new Error(
      `[models] ${file}: cannot be read (${cause.message}); expected a folder that saveModel wrote`,
      { cause },
    );
  });
  let json: Partial<io.ModelJSON> | null = null;
  try {
    json = JSON.parse(text);
  } catch {}
  if (json?.modelTopology && Array.isArray(json.weightsManifest)) return json as io.ModelJSON;
  throw new Error(
    `[models] ${file}: expected a model in the layers format of TensorFlow.js, got something ` +
      `else; save the model again`,
  );
}

async function readWeights(file: string): Promise<ArrayBuffer> {
  const bytes = await fs.readFile(file).catch((cause: Error) => {
    throw new Error(
      `[models] ${file}: cannot be read (${cause.message}); expected the weights that ` +
        `model.json names`,
      { cause },
    );
  });
  // A copy of its own: Node's small buffers are views into a shared pool.
  return new Uint8Array(bytes).buffer;
}
