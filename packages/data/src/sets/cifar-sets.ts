/**
 * CIFAR-10 and CIFAR-100 in their binary form: 60,000 colour photographs each, 32×32. Krizhevsky 2009,
 * https://www.cs.toronto.edu/~kriz/cifar.html. The archives' lengths and sums are TensorFlow Datasets'; the sums of the files in them are
 * those of https://github.com/ankane/torchvision-ruby. Means and deviations: those in common use, such as timm's and Keras's examples.
 */
import type { CifarSetSpec } from '../specs';

const TORONTO = 'https://www.cs.toronto.edu/~kriz/';

export const CIFAR_10: CifarSetSpec = {
  format: 'cifar',
  title: 'CIFAR-10',
  id: 'cifar-10',
  subfolders: ['cifar-10', 'cifar-10-batches-bin'],
  systemFolders: ['~/.keras/datasets', '~/.keras/datasets/cifar-10-batches-bin'],
  mirrors: [TORONTO],
  archive: {
    name: 'cifar-10-binary.tar.gz',
    bytes: 170052171,
    sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
  },
  imageShape: [32, 32, 3],
  classNames: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
  labelBytes: 1,
  splits: {
    train: {
      numSamples: 50000,
      batches: [
        { name: 'data_batch_1.bin', sha256: 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5' },
        { name: 'data_batch_2.bin', sha256: 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed' },
        { name: 'data_batch_3.bin', sha256: 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67' },
        { name: 'data_batch_4.bin', sha256: '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48' },
        { name: 'data_batch_5.bin', sha256: '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add' },
      ],
    },
    test: {
      numSamples: 10000,
      batches: [{ name: 'test_batch.bin', sha256: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b' }],
    },
  },
};

/** Each record names the superclass first, then the class; a `Dataset` has the class. */
export const CIFAR_100: CifarSetSpec = {
  format: 'cifar',
  title: 'CIFAR-100',
  id: 'cifar-100',
  subfolders: ['cifar-100', 'cifar-100-binary'],
  systemFolders: ['~/.keras/datasets', '~/.keras/datasets/cifar-100-binary'],
  mirrors: [TORONTO],
  archive: {
    name: 'cifar-100-binary.tar.gz',
    bytes: 168513733,
    sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
  },
  imageShape: [32, 32, 3],
  // biome-ignore format: ten a line
  classNames: [
    'apple', 'aquarium fish', 'baby', 'bear', 'beaver', 'bed', 'bee', 'beetle', 'bicycle', 'bottle',
    'bowl', 'boy', 'bridge', 'bus', 'butterfly', 'camel', 'can', 'castle', 'caterpillar', 'cattle',
    'chair', 'chimpanzee', 'clock', 'cloud', 'cockroach', 'couch', 'crab', 'crocodile', 'cup', 'dinosaur',
    'dolphin', 'elephant', 'flatfish', 'forest', 'fox', 'girl', 'hamster', 'house', 'kangaroo', 'keyboard',
    'lamp', 'lawn mower', 'leopard', 'lion', 'lizard', 'lobster', 'man', 'maple tree', 'motorcycle', 'mountain',
    'mouse', 'mushroom', 'oak tree', 'orange', 'orchid', 'otter', 'palm tree', 'pear', 'pickup truck', 'pine tree',
    'plain', 'plate', 'poppy', 'porcupine', 'possum', 'rabbit', 'raccoon', 'ray', 'road', 'rocket',
    'rose', 'sea', 'seal', 'shark', 'shrew', 'skunk', 'skyscraper', 'snail', 'snake', 'spider',
    'squirrel', 'streetcar', 'sunflower', 'sweet pepper', 'table', 'tank', 'telephone', 'television', 'tiger', 'tractor',
    'train', 'trout', 'tulip', 'turtle', 'wardrobe', 'whale', 'willow tree', 'wolf', 'woman', 'worm',
  ],
  mean: [0.5071, 0.4867, 0.4408],
  std: [0.2675, 0.2565, 0.2761],
  labelBytes: 2,
  splits: {
    train: {
      numSamples: 50000,
      batches: [{ name: 'train.bin', sha256: 'f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29' }],
    },
    test: {
      numSamples: 10000,
      batches: [{ name: 'test.bin', sha256: 'd8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a' }],
    },
  },
};
