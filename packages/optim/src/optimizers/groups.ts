/** Parameter groups: the learning-rate scale and the weight decay of each parameter. */

import type { Parameter, ParameterGradient } from '@deepend/compiler';
import type { CheckedOptions, ParameterGroup } from './options';

export interface Settings {
  readonly lrScale: number;
  readonly weightDecay: number;
}

/**
 * Parameters that scale or shift, of normalizations and other layers, where weight decay does not
 * help (He et al. 2018, https://arxiv.org/abs/1812.01187).
 */
const NORM_AND_BIAS = /(^|\/)(gamma|beta|bias)$/;

/** Those of a module, `norm.weight` or `gru.bias_ih_l0`, have one axis. */
const scalesOrShifts = ({ name, shape }: Parameter): boolean =>
  NORM_AND_BIAS.test(name) || (!name.includes('/') && shape.length <= 1);

/** Whether a pattern, in which `*` stands for any characters, matches the whole name. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

/** The layer of a weight, `fc` of `fc/kernel`; all modules around one, `a.b` and `a` of `a.b.c`. */
function around(name: string): string[] {
  if (name.includes('/')) return [name.slice(0, name.lastIndexOf('/'))];
  const parts = name.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
}

function isIn({ params }: ParameterGroup, parameter: Parameter): boolean {
  const names = [parameter.name, ...around(parameter.name)];
  return [params].flat().some((pattern) => names.some((name) => matches(pattern, name)));
}

export function settingsOf(
  { groups, weightDecay, excludeFromDecay }: CheckedOptions,
  parameter: Parameter,
): Settings {
  const group = groups.find((candidate) => isIn(candidate, parameter));
  const excluded = excludeFromDecay === 'norm-and-bias' && scalesOrShifts(parameter);
  return {
    lrScale: group?.lrScale ?? 1,
    weightDecay: excluded ? 0 : (group?.weightDecay ?? weightDecay),
  };
}

/**
 * @throws RangeError when a group has no trainable parameter, since its name is not in the model
 */
export function checkGroups(
  where: string,
  { groups }: CheckedOptions,
  gradients: readonly ParameterGradient[],
): void {
  const empty = groups.find((group) => !gradients.some(({ parameter }) => isIn(group, parameter)));
  if (!empty) return;
  const names = gradients.map(({ parameter }) => parameter.name);
  const shown = names.length > 6 ? `${names.slice(0, 6).join(', ')}, ...` : names.join(', ');
  throw new RangeError(
    `${where}: no trainable parameter is in the group ${[empty.params].flat().join(', ')}; ` +
      `the trainable ones are ${shown}`,
  );
}
