// Zero weights: only names are compared.
/** The scripts that convert timm's and torchvision's weights: names, by test/golden/make-timm-names.py. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createModel } from '@deepend/models';
import { VisionTransformer } from '@deepend/vision';
import { beforeAll, describe, expect, it } from 'vitest';
import { torchParameters } from '../../packages/models/src/weights/weight-layouts';
import golden from '../golden/timm-names.json';
import { use } from '../helpers/backends';
import { pythonAbsent } from '../helpers/python';

const absent = pythonAbsent(['json']);
const skipped = absent ? ` (skipped: ${absent})` : '';

/** The names that a script gives; a tensor stands for itself, whatever is done with it. */
const PROGRAM = `
import importlib.util, json, sys
from unittest import mock
file, model, names = json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("script", file)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
print(json.dumps(list(script.convert(model, {name: mock.MagicMock() for name in names}))))
`;

function converted(script: string, model: string, names: readonly string[]): string[] {
  const url = new URL(`../../packages/models/scripts/${script}.py`, import.meta.url);
  const input = JSON.stringify([fileURLToPath(url), model, names]);
  const stdio = 'pipe'; // the error has what Python wrote
  return JSON.parse(execFileSync('python3', ['-c', PROGRAM], { input, stdio, encoding: 'utf8' }));
}

function zooNames(id: string): string[] {
  const net = createModel(id);
  const names = torchParameters(net, { where: 'test' }).map(({ name }) => name);
  net.dispose();
  return names;
}

/** Those of ViT-B/16 are the same. */
function vitNames(): string[] {
  const net = new VisionTransformer('vit_s_16');
  const names = net.namedParameters().map(([name]) => name);
  net.dispose();
  return names;
}

const ROWS = [
  ...Object.entries(golden['convert-timm']).map((row) => ['convert-timm', ...row] as const),
  ...Object.entries(golden['convert-torchvision']).map(
    (row) => ['convert-torchvision', ...row] as const,
  ),
];

describe(`names of converted weights${skipped}`, () => {
  beforeAll(() => use('cpu-js'));

  it.skipIf(absent).each(ROWS)("%s: %s has the model's names", (script, model, names) => {
    const expected = model.startsWith('vit_') ? vitNames() : zooNames(model);
    expect(converted(script, model, names).sort()).toEqual(expected.sort());
  });

  it.skipIf(absent)('refuses a model that it has no names for', () => {
    expect(() => converted('convert-timm', 'swin_tiny', [])).toThrow(/swin_tiny/);
  });
});
