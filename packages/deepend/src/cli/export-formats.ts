/** The formats of `deepend export`: one table with an entry for each. */
import type { EpochRecord } from '@deepend/core';
import { toCsv, toJson, toJsonl, writeFileAtomic } from '@deepend/core';
import {
  exportKeras,
  exportOnnx,
  exportSafetensors,
  exportTensorBoard,
  exportTfjs,
} from '@deepend/export';
import type { Loader } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { predictionsToCsv } from '../prediction-table';

/** What the formats need from a run or a saved model. */
export interface ExportSource {
  /** The caller disposes it. */
  model(): Promise<LayersModel>;
  /** @throws Error when there is no run, or it has no epoch yet */
  history(): Promise<readonly EpochRecord[]>;
  classNames(): Promise<readonly string[] | undefined>;
  /** undefined if the run did not record it. */
  stepsPerEpoch(): Promise<number | undefined>;
  /** The time when the last epoch ended. */
  endedAt(): Promise<Date>;
  /** The run's test set. Also starts the device that computes. */
  testSet(): Promise<Loader>;
}

interface ExportFormat {
  readonly about: string;
  /** Its name in the run's folder `exports`; undefined if the run already has such a file. */
  readonly file?: string;
  write(source: ExportSource, out: string, flags: { probabilities: boolean }): Promise<void>;
}

type ModelExporter = (
  model: LayersModel,
  out: string,
  options: { classNames?: readonly string[] },
) => Promise<void>;

const modelFormat = (about: string, file: string, write: ModelExporter): ExportFormat => ({
  about,
  file,
  write: async (source, out) => {
    const classNames = await source.classNames();
    const model = await source.model();
    try {
      await write(model, out, classNames ? { classNames } : {});
    } finally {
      model.dispose();
    }
  },
});

const textFormat = (
  about: string,
  file: string | undefined,
  format: (...given: Parameters<ExportFormat['write']>) => Promise<string>,
): ExportFormat => ({
  about,
  ...(file !== undefined && { file }),
  write: async (source, out, flags) => {
    const text = await format(source, out, flags);
    await writeFileAtomic(out, text, { where: '[deepend] export' });
  },
});

export const EXPORT_FORMATS = {
  onnx: modelFormat('the model for ONNX Runtime', 'model.onnx', exportOnnx),
  safetensors: modelFormat(
    "the model's weights for PyTorch",
    'model.safetensors',
    exportSafetensors,
  ),
  keras: modelFormat('the model for Keras 3', 'model.keras', (model, out) =>
    exportKeras(model, out),
  ),
  tfjs: modelFormat(
    'the model for TensorFlow.js in a browser: loadLayersModel',
    'tfjs',
    exportTfjs,
  ),
  'tfjs-graph': modelFormat(
    'the model for TensorFlow.js in a browser: loadGraphModel',
    'tfjs-graph',
    (model, out, options) => exportTfjs(model, out, { ...options, format: 'graph' }),
  ),
  csv: textFormat('the history, comma-separated values', 'history.csv', async (source) =>
    toCsv(await source.history()),
  ),
  json: textFormat('the history, a JSON array', 'history.json', async (source) =>
    toJson(await source.history()),
  ),
  jsonl: textFormat('the history, one line of JSON an epoch', undefined, async (source) =>
    toJsonl(await source.history()),
  ),
  tensorboard: {
    about: 'the history for TensorBoard, a folder',
    file: 'tensorboard',
    write: async (source, out) => {
      const history = await source.history();
      const endedAt = await source.endedAt();
      const stepsPerEpoch = await source.stepsPerEpoch();
      await exportTensorBoard(history, out, { endedAt, ...(stepsPerEpoch && { stepsPerEpoch }) });
    },
  },
  predictions: textFormat(
    'the prediction for each test image, comma-separated values',
    'predictions.csv',
    async (source, _, flags) => {
      const loader = await source.testSet(); // first, since it starts the device
      const model = await source.model();
      return predictionsToCsv(model, loader, flags).finally(() => model.dispose());
    },
  ),
} as const satisfies Record<string, ExportFormat>;

export type ExportFormatName = keyof typeof EXPORT_FORMATS;
