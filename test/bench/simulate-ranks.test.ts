/** The model of training on many ranks: what it must obey, and that pages show its tables. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { between } from './markdown';
import { languageOf, NETWORKS, simulation, sumSeconds, unhidden } from './simulate-ranks';

const network = { bandwidth: 1e9, latency: 0 };
const resnet18 = NETWORKS['ResNet-18'] ?? [];

describe('the simulation of ranks', () => {
  it('has the parameters of the published networks', () => {
    const counts = Object.entries(NETWORKS).map(([name, layers]) => [
      name,
      layers.reduce((sum, { parameters }) => sum + parameters, 0),
    ]);
    expect(Object.fromEntries(counts)).toEqual({
      'ResNet-18': 11_689_512,
      'ResNet-50': 25_557_032,
      'VGG-16': 138_357_544,
    });
  });

  it('sends each byte 2 (k - 1) / k times, and half of the bytes with halves', () => {
    const count = 1e9;
    const options = { ranks: 4, network: { bandwidth: 1, latency: 0 } };
    const plain = sumSeconds(count, { ...options, compression: 'none' });
    expect(plain / count).toBeCloseTo(4 * 2 * (3 / 4), 6);
    const halves = sumSeconds(count, { ...options, compression: 'float16' });
    expect(halves / plain).toBeCloseTo(0.5, 6);
  });

  it('hides all but the last bucket behind a long backward pass, and nothing more', () => {
    const options = { ranks: 2, network };
    const last = unhidden(resnet18, { ...options, step: 100 });
    // Of 46 MB, the last bucket has what is smaller than 1 MB: less than a tenth.
    const all = sumSeconds(11_689_512, { ...options, compression: 'none' });
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThan(all / 10);
    expect(unhidden(resnet18, { ...options, step: 0 })).toBeCloseTo(all, 6);
  });

  it.each(['docs/distributed.md', 'docs/zh/distributed.md'])('is what %s shows', (page) => {
    const text = readFileSync(page, 'utf8');
    expect(text).toBe(between(text, simulation(languageOf(page)), 'simulation'));
  });
});
