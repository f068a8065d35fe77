/** `deepend generate`. */
import { generate } from '@deepend/text';
import type { Command } from 'commander';
import { loadLanguageModel, readVocab, tokenizerOf } from '../language-model';
import { readRun } from '../run/read-run';
import { startDevice } from '../start-device';
import { toCount } from './numbers';
import { deviceOf, requireSettings } from './settings-of-run';

const EXAMPLES = `
Examples:
  deepend train --task language-model --data book.txt --epochs 100 --out runs/book
  deepend generate runs/book --prompt "time traveller"
  deepend generate runs/book --prompt "time traveller" --temperature 0.7 --top-k 10 --seed 1`;

interface GenerateFlags {
  prompt: string;
  maxTokens: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  beam?: number;
  seed?: number;
  allowUnknown?: boolean;
  device?: string;
  json?: boolean;
}

export function addGenerate(command: Command): void {
  command
    .addHelpText('after', EXAMPLES)
    .argument('<folder>', 'folder of the run')
    .requiredOption('--prompt <text>', 'text to continue')
    .option('--max-tokens <number>', 'number of tokens to generate', toCount, 200)
    .option('--temperature <number>', 'divides the logits; 0 takes the likeliest token', Number)
    .option('--top-k <number>', 'draw from this many of the likeliest tokens only', Number)
    .option('--top-p <fraction>', 'draw from the likeliest tokens of this probability only', Number)
    .option('--beam <number>', 'number of sequences of a beam search, in place of drawing', Number)
    .option('--seed <number>', 'seed of the draws', Number)
    .option('--allow-unknown', 'read tokens that the vocabulary lacks as the unknown token')
    .option('--device <name>', "device or backend (default: the run's own)")
    .option('--json', 'print one object of JSON: text, tokens, ids')
    .action(continuePrompt);
}

async function continuePrompt(dir: string, flags: GenerateFlags): Promise<void> {
  const { prompt, device, json = false, ...sampling } = flags;
  const where = 'deepend generate';
  const run = await readRun(dir, where);
  const settings = requireSettings(dir, run);
  if (settings.task !== 'language-model') {
    throw new Error(
      `${dir}: expected the run of a language model, got one of ${settings.model}; ` +
        'deepend predict classifies images with it',
    );
  }
  const vocab = await readVocab(dir);
  const tokenizer = tokenizerOf(settings);
  await startDevice(device ?? deviceOf(run));
  const model = await loadLanguageModel(dir, settings);
  // Characters appear as they are generated; words are joined with spaces at the end.
  const streams = !json && tokenizer.join(['a', 'b']) === 'ab';
  let shown = prompt; // with the first token: a prompt that is refused is not printed
  const write = (token: string) => {
    process.stdout.write(shown + token);
    shown = '';
  };
  const onToken = streams ? { onToken: write } : {};
  try {
    const generated = await generate(model, prompt, { vocab, tokenizer, ...sampling, ...onToken });
    if (json) console.log(JSON.stringify(generated));
    else console.log(streams ? shown : generated.text);
  } finally {
    model.dispose();
  }
}
