/** The sets that can be loaded by name: where they are found, what their files hold. A further set is a further row. */
import type { ImageShape } from './types';

/** One file of a set. */
export interface IdxFileSpec {
  /** Name of the unpacked file; packed, it ends in `.gz`. */
  readonly name: string;
  /** SHA-256 of the unpacked file. */
  readonly sha256: string;
  /** The known packings of it: what mirrors serve, what distributions ship. */
  readonly gzip: readonly { readonly bytes: number; readonly sha256: string }[];
}

/** Half of a set. */
export interface SplitSpec {
  readonly numSamples: number;
  readonly images: IdxFileSpec;
  readonly labels: IdxFileSpec;
}

/** A set in IDX files: a row of the table of sets. */
export interface IdxSetSpec {
  /** Its name for people. */
  readonly title: string;
  /** Its folder in deepend's cache. */
  readonly id: string;
  /** Where in a folder of data sets it may lie, beside directly in it. */
  readonly subfolders: readonly string[];
  /** Folders that distributions fill. */
  readonly systemFolders: readonly string[];
  /** The Debian package that fills one of them. */
  readonly debianPackage?: string;
  /** Addresses that serve the packed files, the nearest to the source first. A file's name is added to each. */
  readonly mirrors: readonly string[];
  readonly imageShape: ImageShape;
  readonly classNames: readonly string[];
  /** Mean and standard deviation of the training images in [0, 1], by channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly splits: { readonly train: SplitSpec; readonly test: SplitSpec };
}

/**
 * Fashion-MNIST: 70,000 grey pictures of clothes, 28×28. Xiao, Rasul, Vollgraf 2017, https://arxiv.org/abs/1708.07747.
 * The first packing of each file is the authors' own, the second Debian's: the same DEFLATE stream without the file's name.
 */
export const FASHION_MNIST: IdxSetSpec = {
  title: 'Fashion-MNIST',
  id: 'fashion-mnist',
  subfolders: ['fashion-mnist', 'FashionMNIST/raw'],
  systemFolders: ['/usr/share/datasets/fashion-mnist'],
  debianPackage: 'dataset-fashion-mnist',
  mirrors: [
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets/',
  ],
  imageShape: [28, 28, 1],
  classNames: ['t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'],
  mean: [0.2860405969887955],
  std: [0.35302424451492254],
  splits: {
    train: {
      numSamples: 60000,
      images: {
        name: 'train-images-idx3-ubyte',
        sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        gzip: [
          { bytes: 26421880, sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84' },
          { bytes: 26421856, sha256: 'b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7' },
        ],
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        gzip: [
          { bytes: 29515, sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845' },
          { bytes: 29491, sha256: '0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056' },
        ],
      },
    },
    test: {
      numSamples: 10000,
      images: {
        name: 't10k-images-idx3-ubyte',
        sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        gzip: [
          { bytes: 4422102, sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073' },
          { bytes: 4422079, sha256: 'cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa' },
        ],
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
        gzip: [
          { bytes: 5148, sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5' },
          { bytes: 5125, sha256: '8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05' },
        ],
      },
    },
  },
};

/** The four files of a set. */
export function filesOf({ splits: { train, test } }: IdxSetSpec): IdxFileSpec[] {
  return [train.images, train.labels, test.images, test.labels];
}
