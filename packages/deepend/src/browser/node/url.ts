export const pathToFileURL = (path: string): URL => new URL(path, 'file:///');
export const fileURLToPath = (url: string | URL): string => new URL(url).pathname;
export default { pathToFileURL, fileURLToPath };
