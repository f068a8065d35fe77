/** The command line `deepend`. */
import { device, tryGpu } from '@deepend/device';
import { createModel, listModels, summary } from '@deepend/models';
import { Command, InvalidArgumentError } from 'commander';
import { version } from '../package.json';

/** Runs the command line. @param argv as in `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('deepend').description('A deep-learning training toolkit on TensorFlow.js').version(version);
  program
    .command('device')
    .description('what computes here, and why not a better one')
    .argument('[name]', 'cuda:0, cpu, tensorflow, wasm or cpu-js')
    .action(async (name?: Parameters<typeof device>[0]) => {
      const found = name ? await device(name) : await tryGpu();
      console.log(`${found.name}: ${found.hardware}\nengine: ${found.engine}\nwhy: ${found.why}`);
    });
  program
    .command('models')
    .description('the nets that there are')
    .argument('[pattern]', 'part of a name, with * for anything')
    .action((pattern?: string) => console.log(listModels(pattern).join('\n')));
  program
    .command('summary')
    .description("a net's blocks: output shapes, parameters, multiply-accumulates")
    .argument('<id>', 'such as book/resnet18')
    .option('--size <pixels>', 'height and width of an image', wholeNumber, 224)
    .option('--channels <number>', 'channels of an image', wholeNumber, 1)
    .option('--classes <number>', 'classes to tell apart', wholeNumber, 10)
    .action((id: string, { size, channels, classes }: Record<'size' | 'channels' | 'classes', number>) => {
      console.log(summary(createModel(id, { inputShape: [size, size, channels], numClasses: classes })));
    });
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    console.error(`deepend: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('expected a whole number of at least 1');
}
