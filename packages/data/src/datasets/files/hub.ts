/** The book's `DATA_HUB`: the files of its chapters, by name, with their addresses and SHA-1. */

/** A file that `download` knows by name. */
export interface HubFile {
  /** Addresses, in the order in which to try them. */
  readonly urls: readonly string[];
  readonly sha1: string;
  /** The folder in the archive that has the data; the archive's name otherwise. */
  readonly folder?: string;
}

const DATA_URL = 'http://d2l-data.s3-accelerate.amazonaws.com/';

/** A file on the book's own server. */
const own = (file: string, sha1: string, folder?: string): HubFile => ({
  urls: [DATA_URL + file],
  sha1,
  ...(folder !== undefined && { folder }),
});

/**
 * Files by the book's names, with the addresses and SHA-1 of both editions.
 * @example await download('time_machine', { root: 'data' });
 */
export const DATA_HUB: Readonly<Record<string, HubFile>> = {
  time_machine: own('timemachine.txt', '090b5e7e70c295757f55df93cb0a180b9691891a'),
  'fra-eng': own('fra-eng.zip', '94646ad1522d915e7b0f9296181140edcf86a4f5'),
  ptb: own('ptb.zip', '319d85e578af0cdc590547f26231e4e31cdf1e42'),
  'glove.6b.50d': own('glove.6B.50d.zip', '0b8703943ccdb6eb788e6f091b8946e82231bc4d'),
  'glove.6b.100d': own('glove.6B.100d.zip', 'cd43bfb07e44e6f27cbcc7bc9ae3d80284fdaf5a'),
  'glove.42b.300d': own('glove.42B.300d.zip', 'b5116e234e9eb9076672cfeabf5469f3eec904fa'),
  'wiki.en': own('wiki.en.zip', 'c1816da3821ae9f43899be655002f6c723e91b88'),
  'wikitext-2': {
    urls: ['https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-v1.zip'],
    sha1: '3c914d17d80b1459be871a5039ac23e752a53cbe',
    folder: 'wikitext-2',
  },
  aclImdb: {
    urls: [
      `${DATA_URL}aclImdb_v1.tar.gz`,
      'http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz',
    ],
    sha1: '01ada507287d82875905620988597833ad4e0903',
    folder: 'aclImdb',
  },
  SNLI: {
    urls: ['https://nlp.stanford.edu/projects/snli/snli_1.0.zip'],
    sha1: '9fcde07509c7e87ec61c640c1b2753d9041758e4',
    folder: 'snli_1.0',
  },
  kaggle_house_train: own(
    'kaggle_house_pred_train.csv',
    '585e9cc93e70b39160e7921475f9bcd7d31219ce',
  ),
  kaggle_house_test: own('kaggle_house_pred_test.csv', 'fa19780a7b011d9b009e8bff8e99922a8ee2eb90'),
  airfoil: own('airfoil_self_noise.dat', '76e5be1548fd8222e5074cf0faae75edff8cf93f'),
  hotdog: own('hotdog.zip', 'fba480ffa8aa7e0febbb511d181409f899b9baa5'),
  'banana-detection': own('banana-detection.zip', '5de26c8fce5ccdea9f91267273464dc968d20d72'),
  voc2012: own(
    'VOCtrainval_11-May-2012.tar',
    '4e443f8a2eca6b1dac8a6c57641b67dd40621a49',
    'VOCdevkit/VOC2012',
  ),
  cifar10_tiny: own('kaggle_cifar10_tiny.zip', '2068874e4b9a9f0fb07ebe0ad2b29754449ccacd'),
  dog_tiny: own('kaggle_dog_tiny.zip', '0cb91d09b814ecdc07b50f31f8dcad3e81d6a86d'),
  pokemon: own('pokemon.zip', 'c065c0e2593b8b161a2d7873e42418bf6a21106c'),
};
