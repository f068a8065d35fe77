/** What a browser tells of its machine. */
export const availableParallelism = (): number => navigator.hardwareConcurrency ?? 1;
export const cpus = (): { model: string }[] =>
  Array.from({ length: availableParallelism() }, () => ({ model: 'a browser' }));
export const homedir = (): string => '/';
export const hostname = (): string => 'browser';
export const release = (): string => '';
export default { availableParallelism, cpus, homedir, hostname, release };
