/** The steps of jax-js in a worker of a page, asked by messages. */
import { startSteps } from './jax-steps.mjs';

const steps = await startSteps();
globalThis.onmessage = async ({ data }) => globalThis.postMessage(await steps(data));
globalThis.postMessage('ready');
