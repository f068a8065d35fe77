/**
 * Whether a file holds the weights of a model that was replacing another one. A save that was
 * killed leaves it, and the next one removes it.
 */
export const isTemporary = (name: string): boolean =>
  /^weights-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.bin$/.test(name);
