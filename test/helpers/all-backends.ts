/** The backends on a CPU, and WebGPU: what the tests of the plan's operations run on. */
import './software-gpu';
import { backends, type TestBackend, testBackend } from './backends';

export const allBackends: readonly TestBackend[] = [...backends, await testBackend('webgpu')];
