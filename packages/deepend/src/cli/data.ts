/** `deepend data`: sets on this machine. */
import { listDatasets, loadDataset } from '@deepend/data';
import type { Command } from 'commander';

export function addData(program: Command): void {
  const data = program
    .command('data')
    .description('the sets that there are, and whether their files are here and sound');
  data
    .command('list')
    .description('the sets that there are')
    .action(() => console.log(listDatasets().join('\n')));
  const look = (name: string, description: string, download: boolean) =>
    data
      .command(name)
      .description(description)
      .argument('<set>', 'such as fashion-mnist')
      .option('--root <folder>', 'where its files are')
      .action(async (id: string, { root }: { root?: string }) => {
        const [train, test] = await loadDataset(id, 1, {
          download,
          ...(root !== undefined && { root }),
        });
        const source =
          'source' in train.dataset && train.dataset.source ? `, in ${train.dataset.source}` : '';
        console.log(
          `${id}: sound, ${train.numSamples} training and ${test.numSamples} test images of [${train.inputShape.join(', ')}]${source}`,
        );
      });
  look('verify', 'checks the files of a set against their sums', false);
  look('fetch', 'fetches a set where it is not here, and checks it', true);
}
