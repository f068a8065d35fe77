/** Modules as plain JSON, for the `config` of modules that are made from others. */
import { formatValue } from '@deepend/core';
import type { Module } from '../module';

/** A module's class and its constructor's arguments. */
export interface ModuleDescription {
  readonly className: string;
  readonly config: readonly unknown[];
}

/** Classes by name, for what is described. */
export type ModuleClasses = Readonly<Record<string, new (...args: never[]) => unknown>>;

let known: ModuleClasses = {};

/** Runs `work` while descriptions of modules can name these classes. */
export function withClasses<T>(classes: ModuleClasses, work: () => T): T {
  const outer = known;
  known = classes;
  try {
    return work();
  } finally {
    known = outer;
  }
}

export const isDescription = (value: unknown): value is ModuleDescription =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as ModuleDescription).className === 'string' &&
  Array.isArray((value as ModuleDescription).config);

/** Undefined for a module whose class declares no arguments. */
export function describeModule(module: Module): ModuleDescription | undefined {
  const config = module.config();
  return config && { className: module.constructor.name, config };
}

/** Descriptions of all modules; undefined when one has none. */
export function describeModules(modules: readonly Module[]): ModuleDescription[] | undefined {
  const found = modules.flatMap((module) => describeModule(module) ?? []);
  return found.length === modules.length ? found : undefined;
}

/** @throws Error when the class is not known */
export function buildModule<T extends Module>(where: string, description: ModuleDescription): T {
  const { className, config } = description;
  const Class = Object.hasOwn(known, className) ? known[className] : undefined;
  if (Class) return new Class(...(config as never[])) as T;
  throw new Error(
    `${where}: expected a module of a known class, got a ${formatValue(className)}; pass its ` +
      'class to loadModule',
  );
}
