/** Parses the numbers of flags. An error names the flag. */
import { InvalidArgumentError } from 'commander';

const integerFrom = (min: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= min) return value;
  throw new InvalidArgumentError(`expected an integer of at least ${min}`);
};

/** An integer of at least 1. */
export const toCount = integerFrom(1);
/** An integer of at least 0. */
export const toCountOrZero = integerFrom(0);
