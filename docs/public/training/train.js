/**
 * The worker of the page that trains: trains LeNet on the part of Fashion-MNIST that the site
 * serves, then classifies what is drawn. The page shows what it prints and draws.
 */
import {
  Animator,
  book,
  downloadModel,
  loadFashionMnist,
  predict,
  saveModel,
  show,
  showImages,
  tf,
  train,
  tryGpu,
} from './standalone.js';

const numEpochs = Number(new URL(self.location.href).searchParams.get('epochs'));
await tryGpu();
const [trainIter, testIter] = await loadFashionMnist(32, { from: './' });
for await (const { features, labels } of testIter) {
  const names = testIter.classNames ?? [];
  const titles = [...labels.dataSync()].slice(0, 8).map((label) => names[label] ?? '');
  show(await showImages(tf.slice(features, [0], [8]), { cols: 8, titles }));
  tf.dispose([features, labels]);
  break;
}
const net = book.lenet();
const animator = new Animator({
  xlabel: 'epoch',
  xlim: [1, Math.max(2, numEpochs)],
  legend: ['train loss', 'train acc', 'test acc'],
});
const options = { numEpochs, lr: 0.005, optimizer: 'adam', callbacks: [animator] };
const { history } = await train(net, trainIter, testIter, options);
await saveModel(net, 'clothes'); // in the browser
postMessage({ trained: history.at(-1)?.testAcc, classNames: testIter.classNames });

self.onmessage = async ({ data }) => {
  if (data.download) return downloadModel(net);
  const image = tf.tensor(data.pixels, [1, 28, 28, 1]); // from 0, black, to 1
  const logits = await predict(net, image);
  const probabilities = tf.softmax(logits);
  postMessage({ probabilities: [...(await probabilities.data())] });
  tf.dispose([image, logits, probabilities]);
};
