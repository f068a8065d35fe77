/** `deepend data`. */
import { listDatasets, loadDataset } from '@deepend/data';
import type { Command } from 'commander';

export function addData(data: Command): void {
  data
    .command('list')
    .description('list the datasets')
    .action(() => console.log(listDatasets().join('\n')));
  const addCheck = (name: string, about: string, { download }: { download: boolean }) =>
    data
      .command(name)
      .description(about)
      .argument('<dataset>', 'such as fashion-mnist')
      .option('--root <folder>', 'folder with the files of the dataset')
      .action(async (id: string, { root }: { root?: string }) => {
        const options = { download, ...(root !== undefined && { root }) };
        const [train, test] = await loadDataset(id, 1, options);
        const { dataset, inputShape } = train;
        const source = 'source' in dataset && dataset.source ? `, in ${dataset.source}` : '';
        console.log(
          `${id}: valid, ${train.numSamples} training and ${test.numSamples} test images ` +
            `of [${inputShape.join(', ')}]${source}`,
        );
      });
  addCheck('verify', 'check the files of a dataset against their checksums', { download: false });
  addCheck('fetch', 'download a dataset unless it is here, and verify it', { download: true });
}
