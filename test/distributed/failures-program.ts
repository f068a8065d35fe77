/**
 * A run on many devices for tests that look at its end: `failures-program.ts MODE DIR`. It never
 * ends its process itself.
 *
 *   ends     trains on three devices
 *   saves    trains long, by `saveRun`, until Ctrl-C
 */
import { device } from '@deepend/device';
import { train } from '@deepend/trainer';
import { saveRun } from '../../packages/deepend/src/run/save-run';
import { fakeLoader, linearNet } from '../helpers/loaders';

const [mode, dir = ''] = process.argv.slice(2);
const simd = await device('simd');
const devices = [simd, simd, simd];
const callbacks = mode === 'saves' ? [saveRun(dir), { onStep: () => console.log('step') }] : [];
const numEpochs = mode === 'saves' ? 1_000_000 : 2;
const { history } = await train(linearNet(), fakeLoader(24, 8), null, {
  numEpochs,
  lr: 0.1,
  progress: false,
  devices,
  callbacks,
});
console.log(`done ${history.length}`);
