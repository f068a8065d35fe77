/** Paths of a browser: those of addresses. */
const clean = (path: string): string => {
  const parts: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') parts.pop();
    else if (part && part !== '.') parts.push(part);
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`;
};
export const sep = '/';
export const isAbsolute = (path: string): boolean => path.startsWith('/');
export const join = (...parts: string[]): string => clean(parts.join('/'));
export const resolve = (...parts: string[]): string => clean(`/${parts.join('/')}`);
export const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const dirname = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
export const extname = (path: string): string => /\.[^./]+$/.exec(path)?.[0] ?? '';
export const parse = (path: string) => ({ dir: dirname(path), base: basename(path) });
export default { sep, isAbsolute, join, resolve, basename, dirname, extname, parse };
