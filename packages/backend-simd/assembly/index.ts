/** What the module gives to JavaScript. */
export { launch, workerMain } from './threads';
