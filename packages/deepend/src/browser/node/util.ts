/** How a value is shown in a message. */
export const inspect = Object.assign((value: unknown): string => String(value), {
  custom: Symbol(),
});
export const promisify = () => async (): Promise<never> => {
  throw new Error('needs Node.js');
};
export const stripVTControlCharacters = (text: string): string => text;
export const isDeepStrictEqual = (a: unknown, b: unknown): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
export default { inspect, promisify, stripVTControlCharacters };
