/** The functions that the module exports to JavaScript. */
export { cancel, launch, workerMain } from './threads';
