/** What `deepend export` can write: one table, a row a format. */
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { toCsv, toJson, toJsonl } from '@deepend/core';
import {
  exportKeras,
  exportOnnx,
  exportSafetensors,
  exportTensorBoard,
  exportTfjs,
} from '@deepend/export';
import type { Loader } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { writeWhole } from '../files';
import { predictionsToCsv } from '../prediction-table';

/** A run, or a saved net, as far as a format asks for it. */
export interface ExportSource {
  net(): Promise<LayersModel>;
  /** @throws Error where the folder is no run's, or has no epoch yet */
  history(): Promise<readonly EpochRecord[]>;
  classNames(): Promise<readonly string[] | undefined>;
  /** Steps of an epoch, where the run tells. */
  stepsPerEpoch(): Promise<number | undefined>;
  /** When the last epoch ended. */
  endedAt(): Promise<Date>;
  /** The run's test set; what computes is made current. */
  testSet(): Promise<Loader>;
}

interface ExportFormat {
  readonly about: string;
  /**
   * Its name in the folder `exports` of the directory; none where the directory has the like
   * already.
   */
  readonly file?: string;
  write(source: ExportSource, out: string, flags: { probabilities: boolean }): Promise<void>;
}

type NetExporter = (
  net: LayersModel,
  out: string,
  options: { classNames?: readonly string[] },
) => Promise<void>;

const ofNet = (about: string, file: string, write: NetExporter): ExportFormat => ({
  about,
  file,
  write: async (source, out) => {
    const classNames = await source.classNames();
    const net = await source.net();
    try {
      await write(net, out, classNames ? { classNames } : {});
    } finally {
      net.dispose();
    }
  },
});

const ofText = (
  about: string,
  file: string | undefined,
  make: (...given: Parameters<ExportFormat['write']>) => Promise<string>,
): ExportFormat => ({
  about,
  ...(file !== undefined && { file }),
  write: async (source, out, flags) => {
    const text = await make(source, out, flags);
    await fs.ensureDir(path.dirname(path.resolve(out)));
    await writeWhole('[deepend] export', out, text);
  },
});

export const EXPORT_FORMATS = {
  onnx: ofNet('the net for ONNX Runtime', 'net.onnx', exportOnnx),
  safetensors: ofNet("the net's weights for PyTorch", 'net.safetensors', exportSafetensors),
  keras: ofNet('the net for Keras 3', 'net.keras', (net, out) => exportKeras(net, out)),
  tfjs: ofNet('the net for TensorFlow.js in a browser: loadLayersModel', 'tfjs', exportTfjs),
  'tfjs-graph': ofNet(
    'the net for TensorFlow.js in a browser: loadGraphModel',
    'tfjs-graph',
    (net, out, options) => exportTfjs(net, out, { ...options, format: 'graph' }),
  ),
  csv: ofText('the history, comma-separated', 'history.csv', async (source) =>
    toCsv(await source.history()),
  ),
  json: ofText('the history, a JSON list', 'history.json', async (source) =>
    toJson(await source.history()),
  ),
  jsonl: ofText('the history, a line of JSON an epoch', undefined, async (source) =>
    toJsonl(await source.history()),
  ),
  tensorboard: {
    about: 'the history for TensorBoard, a folder',
    file: 'tensorboard',
    write: async (source, out) => {
      const [history, endedAt, stepsPerEpoch] = [
        await source.history(),
        await source.endedAt(),
        await source.stepsPerEpoch(),
      ];
      await exportTensorBoard(history, out, { endedAt, ...(stepsPerEpoch && { stepsPerEpoch }) });
    },
  },
  predictions: ofText(
    'what the net makes of each test image, comma-separated',
    'predictions.csv',
    async (source, _, flags) => {
      const loader = await source.testSet(); // first: it makes current what computes
      const net = await source.net();
      return predictionsToCsv(net, loader, flags).finally(() => net.dispose());
    },
  ),
} as const satisfies Record<string, ExportFormat>;

export type ExportFormatName = keyof typeof EXPORT_FORMATS;
