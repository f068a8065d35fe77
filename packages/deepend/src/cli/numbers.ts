/** Parses the numbers of flags. An error names the flag. */
import { InvalidArgumentError } from 'commander';
import type { SETTINGS, SettingName } from '../settings';

const integerFrom = (min: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= min) return value;
  throw new InvalidArgumentError(`expected an integer of at least ${min}`);
};

/** The number of a setting, as the setting's rule wants it. */
export const toSetting = (rule: (typeof SETTINGS)[SettingName]['rule']) => (text: string) => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const { success, error } = rule.safeParse(value);
  if (success) return value;
  throw new InvalidArgumentError(`expected ${error.issues[0]?.message}`);
};

/** An integer of at least 1. */
export const toCount = integerFrom(1);
/** An integer of at least 0. */
export const toCountOrZero = integerFrom(0);
