/** Saves two models in turn into the folder `saving.ts DIR`, until the process is killed. */
import { saveModel } from '@deepend/models';
import * as tfl from '@tensorflow/tfjs-layers';
import { device } from 'deepend';

const [, , folder = ''] = process.argv;
await device('cpu-js');
const model = (units: number, inputs: number) =>
  tfl.sequential({ layers: [tfl.layers.dense({ units, inputShape: [inputs] })] });
const models = [model(2000, 3), model(900, 5)];
for (let i = 0; ; i++) {
  await saveModel(models[i % 2] as tfl.LayersModel, folder);
  if (i === 0) console.log('saved');
}
