/** Which way imports go, and that each package asks for what it imports. */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/**
 * deepend → {data, models, trainer, plot} → {device, compiler} → TensorFlow.js; `checks` knows
 * nobody, and all may ask it.
 */
const BELOW: Record<string, readonly string[]> = {
  deepend: ['data', 'models', 'trainer', 'plot', 'device', 'compiler', 'core'],
  data: ['core'],
  models: ['device', 'compiler', 'core'],
  trainer: ['device', 'compiler', 'core'],
  plot: ['core'],
  device: ['core', 'backend-simd'],
  compiler: ['core'],
  'backend-simd': [],
  checks: [],
};
const NO_TENSORFLOW = ['plot', 'core'];

const files = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).flatMap((name) =>
    name.endsWith('.ts') ? [path.join(dir, name)] : [],
  );
/** Everything a source imports, by TypeScript's own reading. */
const importsOf = (file: string) =>
  ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles.map(({ fileName }) => fileName);
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

describe.each(readdirSync('packages'))('packages/%s', (folder) => {
  const manifest = JSON.parse(readFileSync(`packages/${folder}/package.json`, 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const imports = files(`packages/${folder}/src`).flatMap((file) =>
    importsOf(file).map((specifier) => ({ file, specifier })),
  );
  const outside = imports.filter(
    ({ specifier }) => !specifier.startsWith('.') && !isBuiltin(specifier),
  );

  it('imports only what lies below it', () => {
    const siblings = outside.filter(({ specifier }) => /^(@deepend\/|deepend$)/.test(specifier));
    const wrong = siblings.filter(
      ({ specifier }) => !BELOW[folder]?.includes(specifier.replace('@deepend/', '')),
    );
    expect(wrong).toEqual([]);
  });

  it('asks for each package that it imports', () => {
    const known = {
      ...manifest.dependencies,
      ...manifest.peerDependencies,
      ...manifest.devDependencies,
    };
    const unknown = outside.filter(({ specifier }) => !(packageOf(specifier) in known));
    expect(unknown).toEqual([]);
  });

  it('stays within its folder', () => {
    const escaping = imports.filter(
      ({ file, specifier }) =>
        specifier.startsWith('.') &&
        !path.join(path.dirname(file), specifier).startsWith(path.join('packages', folder)),
    );
    expect(escaping).toEqual([]);
  });

  it('has TensorFlow.js as a peer, or not at all', () => {
    const tensorflow = outside.filter(({ specifier }) => specifier.startsWith('@tensorflow/'));
    if (NO_TENSORFLOW.includes(folder)) expect(tensorflow).toEqual([]);
    const bundled = Object.keys(manifest.dependencies ?? {}).filter((name) =>
      name.startsWith('@tensorflow/'),
    );
    if (folder !== 'deepend') expect(bundled).toEqual([]);
  });
});

it('examples import deepend alone, and the settings that the recipes share', () => {
  const specifiers = files('examples')
    .flatMap(importsOf)
    .filter((specifier) => !isBuiltin(specifier));
  expect(new Set(specifiers)).toEqual(new Set(['deepend', './settings.js']));
});
