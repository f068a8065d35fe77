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

/** Whether a pattern, in which `*` stands for any characters, matches the whole name. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

function isIn({ params }: ParameterGroup, parameter: Parameter): boolean {
  const name = parameter.name;
  const layer = name.slice(0, name.lastIndexOf('/'));
  return [params].flat().some((pattern) => matches(pattern, name) || matches(pattern, layer));
}

export function settingsOf(
  { groups, weightDecay, excludeFromDecay }: CheckedOptions,
  parameter: Parameter,
): Settings {
  const group = groups.find((candidate) => isIn(candidate, parameter));
  const excluded = excludeFromDecay === 'norm-and-bias' && NORM_AND_BIAS.test(parameter.name);
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
