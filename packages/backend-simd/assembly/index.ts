/** What the module gives to JavaScript. */
export { cancel, launch, workerMain } from './threads';
