/** A page has no packages to require. */
export function createRequire() {
  const refuse = (name: string): never => {
    throw new Error(`${name} needs Node.js`);
  };
  return Object.assign(refuse, { cache: {}, resolve: refuse });
}
export default { createRequire };
