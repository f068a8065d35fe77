/** The steps in a worker of a page, asked by messages. */
import * as deepend from 'deepend/browser';
import { type Net, startSteps } from './train-steps';

interface Scope {
  onmessage: (event: { data: number }) => void;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as Scope;
const steps = await startSteps(deepend, new URL(import.meta.url).hash.slice(1) as Net);
scope.onmessage = async ({ data }) => scope.postMessage(await steps(data));
scope.postMessage('ready');
