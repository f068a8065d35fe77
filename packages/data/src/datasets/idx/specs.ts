/**
 * The table of datasets in IDX files. Sizes and SHA-256 of the files on mirrors are those that
 * TensorFlow Datasets publishes (`url_checksums/` of https://github.com/tensorflow/datasets). The
 * hashes of unpacked files and of EMNIST's archive members are not published there; they are listed
 * only if two independent sources agree.
 */
import type { IdxDatasetSpec } from '../spec';

const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz'];

/**
 * Fashion-MNIST: 70,000 gray images of clothes, 28×28. Xiao, Rasul, Vollgraf 2017,
 * https://arxiv.org/abs/1708.07747. The first gzip file in each list is the authors' own, the
 * second Debian's: the same DEFLATE stream without the file name.
 */
export const FASHION_MNIST: IdxDatasetSpec = {
  format: 'idx',
  title: 'Fashion-MNIST',
  id: 'fashion-mnist',
  subfolders: ['fashion-mnist', 'FashionMNIST/raw'],
  systemFolders: ['/usr/share/datasets/fashion-mnist', '~/.keras/datasets/fashion-mnist'],
  debianPackage: 'dataset-fashion-mnist',
  mirrors: [
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets/',
  ],
  imageShape: [28, 28, 1],
  classNames: [
    't-shirt',
    'trouser',
    'pullover',
    'dress',
    'coat',
    'sandal',
    'shirt',
    'sneaker',
    'bag',
    'ankle boot',
  ],
  mean: [0.2860405969887955],
  std: [0.35302424451492254],
  splits: {
    train: {
      numSamples: 60000,
      images: {
        name: 'train-images-idx3-ubyte',
        sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        gzip: [
          {
            bytes: 26421880,
            sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
          },
          {
            bytes: 26421856,
            sha256: 'b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7',
          },
        ],
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        gzip: [
          {
            bytes: 29515,
            sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
          },
          {
            bytes: 29491,
            sha256: '0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056',
          },
        ],
      },
    },
    test: {
      numSamples: 10000,
      images: {
        name: 't10k-images-idx3-ubyte',
        sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        gzip: [
          {
            bytes: 4422102,
            sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
          },
          {
            bytes: 4422079,
            sha256: 'cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa',
          },
        ],
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
        gzip: [
          {
            bytes: 5148,
            sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
          },
          {
            bytes: 5125,
            sha256: '8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05',
          },
        ],
      },
    },
  },
};

/**
 * MNIST: 70,000 gray handwritten digits, 28×28. LeCun, Bottou, Bengio, Haffner 1998,
 * http://yann.lecun.com/exdb/mnist/. Mean and standard deviation are from PyTorch's example,
 * https://github.com/pytorch/examples/blob/main/mnist/main.py.
 */
export const MNIST: IdxDatasetSpec = {
  format: 'idx',
  title: 'MNIST',
  id: 'mnist',
  subfolders: ['mnist', 'MNIST/raw'],
  systemFolders: [],
  mirrors: [
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
  ],
  imageShape: [28, 28, 1],
  classNames: DIGITS,
  mean: [0.1307],
  std: [0.3081],
  splits: {
    train: {
      numSamples: 60000,
      images: {
        name: 'train-images-idx3-ubyte',
        sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
        gzip: [
          {
            bytes: 9912422,
            sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
          },
        ],
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
        gzip: [
          {
            bytes: 28881,
            sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
          },
        ],
      },
    },
    test: {
      numSamples: 10000,
      images: {
        name: 't10k-images-idx3-ubyte',
        sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
        gzip: [
          {
            bytes: 1648877,
            sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
          },
        ],
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
        gzip: [
          {
            bytes: 4542,
            sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
          },
        ],
      },
    },
  },
};

/**
 * KMNIST: 70,000 gray cursive Japanese characters, 28×28, in ten classes. Clanuwat et al. 2018,
 * https://arxiv.org/abs/1812.01718. Nobody publishes hashes of the unpacked files. The mean 0.1918
 * belongs to this version of the dataset; 0.1904, which is also in use, to its first version.
 */
export const KMNIST: IdxDatasetSpec = {
  format: 'idx',
  title: 'KMNIST',
  id: 'kmnist',
  subfolders: ['kmnist', 'KMNIST/raw'],
  systemFolders: [],
  mirrors: ['http://codh.rois.ac.jp/kmnist/dataset/kmnist/'],
  imageShape: [28, 28, 1],
  classNames: ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'],
  mean: [0.1918],
  std: [0.3483],
  splits: {
    train: {
      numSamples: 60000,
      images: {
        name: 'train-images-idx3-ubyte',
        gzip: [
          {
            bytes: 18165135,
            sha256: '51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4',
          },
        ],
      },
      labels: {
        name: 'train-labels-idx1-ubyte',
        gzip: [
          {
            bytes: 29497,
            sha256: 'e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17',
          },
        ],
      },
    },
    test: {
      numSamples: 10000,
      images: {
        name: 't10k-images-idx3-ubyte',
        gzip: [
          {
            bytes: 3041136,
            sha256: 'edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5',
          },
        ],
      },
      labels: {
        name: 't10k-labels-idx1-ubyte',
        gzip: [
          {
            bytes: 5120,
            sha256: '20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c',
          },
        ],
      },
    },
  },
};

/**
 * EMNIST letters: 145,600 gray handwritten letters, 28×28, upper and lower case in one class.
 * Cohen, Afshar, Tapson, van Schaik 2017, https://arxiv.org/abs/1702.05373. The files store the
 * images transposed and count classes from 1; a `Dataset` has them upright and from 0. Mean and
 * standard deviation are from Lightning Bolts' `emnist_normalization('letters')`.
 */
export const EMNIST_LETTERS: IdxDatasetSpec = {
  format: 'idx',
  title: 'EMNIST letters',
  id: 'emnist-letters',
  subfolders: ['emnist-letters', 'EMNIST/raw', 'EMNIST/raw/gzip', 'gzip'],
  systemFolders: [],
  mirrors: ['https://biometrics.nist.gov/cs_links/EMNIST/'],
  archive: {
    name: 'gzip.zip',
    bytes: 561753746,
    sha256: 'fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e',
  },
  imageShape: [28, 28, 1],
  classNames: LETTERS,
  mean: [0.17222730561708793],
  std: [0.33091591285642147],
  firstLabel: 1,
  transposed: true,
  splits: {
    train: {
      numSamples: 124800,
      images: {
        name: 'emnist-letters-train-images-idx3-ubyte',
        gzipSha256: ['6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f'],
      },
      labels: {
        name: 'emnist-letters-train-labels-idx1-ubyte',
        gzipSha256: ['9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c'],
      },
    },
    test: {
      numSamples: 20800,
      images: {
        name: 'emnist-letters-test-images-idx3-ubyte',
        gzipSha256: ['50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d'],
      },
      labels: {
        name: 'emnist-letters-test-labels-idx1-ubyte',
        gzipSha256: ['924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb'],
      },
    },
  },
};
