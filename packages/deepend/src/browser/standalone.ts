/** deepend for a page without a bundler: TensorFlow.js is inside. */
export * from './index';
