export const setFlagsFromString = (): void => {};
export default { setFlagsFromString };
