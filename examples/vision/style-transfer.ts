/**
 * Neural style transfer, section 13.12 (en 14.12) of Dive into Deep Learning: the content of one
 * photo in the style of another. docs/weights.md says how to get the weights of VGG-19:
 * npm run example examples/vision/style-transfer.ts -- --content a.jpg --style b.jpg --weights FILE
 */
import { parseArgs } from 'node:util';
import { createModel, loadWeights, plot, showImages, tryGpu, vision } from 'deepend';

const DEFAULTS = {
  content: '', // a photo
  style: '', //   a painting
  weights: '', // of torchvision's VGG, a safetensors file; without it the features are random
  model: 'vgg19',
  'content-layers': vision.VGG19_LAYERS.contentLayers.join(','),
  'style-layers': vision.VGG19_LAYERS.styleLayers.join(','),
  height: 300,
  width: 450,
  lr: 0.3,
  steps: 500,
  out: 'runs/style-transfer',
};
const option = (value: unknown) => ({ type: 'string' as const, default: String(value) });
const options = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [name, option(value)]),
);
const args = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
const values = args.values as Record<string, string | boolean | undefined>;
if (values.help) {
  for (const [name, value] of Object.entries(DEFAULTS)) console.log(`--${name} (${value})`);
  process.exit();
}
const number = (name: keyof typeof DEFAULTS) => Number(values[name]);
const [out, weights] = [String(values.out), String(values.weights)];

if (!values.content || !values.style) throw new Error('name images: --content FILE --style FILE');
await tryGpu();
const content = await vision.readImage(String(values.content));
const style = await vision.readImage(String(values.style));
const inputShape = [number('height'), number('width'), 3] as [number, number, number];
const trunk = createModel(String(values.model), { inputShape, numClasses: weights ? 1000 : 1 });
if (weights) await loadWeights(trunk, weights);
else console.log('no --weights: random features, so colors and textures only');

const { image, history } = await vision.styleTransfer(content, style, {
  trunk,
  contentLayers: String(values['content-layers']).split(','),
  styleLayers: String(values['style-layers']).split(','),
  ...{ numSteps: number('steps'), lr: number('lr') },
  onStep: ({ step, content: kept, style: taken, tv }) => {
    const losses = `content ${kept.toFixed(2)}, style ${taken.toFixed(2)}, tv ${tv.toFixed(2)}`;
    if (step % 10 === 0) console.log(`step ${step}: ${losses}`);
  },
});
await (await showImages([content, style, image], 1, 3, { size: 300 })).save(`${out}/images.png`);
const steps = history.map(({ step }) => step);
const names = ['content', 'style', 'tv'] as const;
const lines = names.map((name) => history.map((record) => record[name]));
const labels = { xlabel: 'step', ylabel: 'loss', yscale: 'log', legend: [...names] } as const;
await plot(steps, lines, labels).save(`${out}/losses.png`);
