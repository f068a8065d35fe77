/** The engines on a CPU, and WebGPU: what the tests of the plan's operations run on. */
import './software-gpu';
import { engines, type TestEngine, testEngine } from './engines';

export const allEngines: readonly TestEngine[] = [...engines, await testEngine('webgpu')];
