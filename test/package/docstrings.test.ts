/** What an editor shows on hover over options and callbacks: a description, default, example. */
import { expect, it } from 'vitest';
// @ts-expect-error: a script without declarations
import { listProperties } from './docstrings.mjs';

interface Property {
  readonly name: string;
  readonly place: string;
  readonly isDescribed: boolean;
  readonly hasExample: boolean;
  readonly hasDefault: boolean;
  readonly isOptional: boolean;
  readonly isOption: boolean;
}

const properties: readonly Property[] = listProperties();
const of = (owner: string) => properties.filter(({ name }) => name.startsWith(`${owner}.`));
const places = (list: readonly Property[]) => list.map(({ name, place }) => `${place} ${name}`);

it('each option and each method of a callback is described', () => {
  expect(places(properties.filter(({ isDescribed }) => !isDescribed))).toEqual([]);
});

it.each([
  ['TrainOptions', 'lr'],
  ['ChoiceOptions', 'order'], // of tryGpu, tryAllGpus and cpu
  ['LoadOptions', 'resize'], // of loadFashionMnist and its siblings
  ['ModelOptions', 'inputShape'], // of the zoo's builders
])('each option of %s has an example, and a default where it can be left out', (owner, one) => {
  const options = of(owner);
  expect(options.map(({ name }) => name)).toContain(`${owner}.${one}`);
  expect(places(options.filter(({ hasExample }) => !hasExample))).toEqual([]);
  expect(places(options.filter(({ isOptional, hasDefault }) => isOptional && !hasDefault))).toEqual(
    [],
  );
});

it('each option of a public function has a default where it can be left out, else an example', () => {
  const options = properties.filter(({ isOption }) => isOption);
  const lacks = ({ isOptional, hasDefault, hasExample }: Property) =>
    isOptional ? !hasDefault : !hasExample;
  expect(places(options.filter(lacks))).toEqual([]);
  expect(options.length).toBeGreaterThan(350);
});

it('finds options of all packages, inline ones too', () => {
  const names = properties.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['Callback.onStep', 'EarlyStoppingOptions.patience', 'device.why']),
  );
  expect(properties.length).toBeGreaterThan(400);
});
