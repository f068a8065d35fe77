/**
 * A robot on a frozen lake, chapter 17 of Dive into Deep Learning: value iteration knows the lake,
 * Q-learning finds it out by walking. Draws what both believe on the way:
 * npm run example examples/frozen-lake.ts -- --slippery true
 */
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { d2l } from 'deepend';

const DEFAULTS = {
  map: '4x4', // or 8x8
  slippery: false,
  gamma: 0.95, // discount factor
  iterations: 10, // of value iteration
  episodes: 256, // of Q-learning
  alpha: 0.9, // learning rate of Q-learning
  epsilon: 0.9, // probability of a random step
  seed: 0,
  out: 'runs/frozen-lake',
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
const gamma = number('gamma');
const envInfo = d2l.makeEnv('FrozenLake-v1', number('seed'), {
  map: String(values.map) as '4x4' | '8x8',
  isSlippery: values.slippery === 'true',
});

/** The fraction of a thousand episodes in which a policy reaches the goal. */
function successOf(policy: readonly number[]): number {
  const { env } = envInfo;
  let reached = 0;
  for (let episode = 0; episode < 1000; episode++) {
    let [state, reward, done] = [env.reset(), 0, false];
    while (!done) [state, reward, done] = env.step(policy[state] ?? 0);
    reached += reward;
  }
  return reached / 1000;
}

const planned = d2l.valueIteration(envInfo, gamma, number('iterations'));
const settings = { alpha: number('alpha'), epsilon: number('epsilon') };
const learned = d2l.qLearning(envInfo, gamma, number('episodes'), settings);
for (const [name, { V, pi }] of Object.entries({ planned, learned }))
  console.log(`${name}: value ${V.at(-1)?.[0]?.toFixed(3)}, success ${successOf(pi.at(-1) ?? [])}`);

await mkdir(String(values.out), { recursive: true });
const { desc } = envInfo;
const show = d2l.showValueFunctionProgress(desc, planned.V.slice(1), planned.pi.slice(1));
await show.save(`${values.out}/value-iteration.png`);
const walked = d2l.showQFunctionProgress(desc, learned.V.slice(1), learned.pi.slice(1));
await walked.save(`${values.out}/q-learning.png`);
