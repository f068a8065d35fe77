/// <reference path="./webassembly.d.ts" />
/** Chooses the build of the WebAssembly module. */
import v8 from 'node:v8';
import { EnvironmentError, envRule, readEnv } from '@deepend/core';
import { plain, relaxed } from './generated/modules';
import type { NativeBuild } from './native';

/**
 * Builds of the WebAssembly module. `relaxed` has fused multiply-add: one rounding, not two.
 */
export type WasmBuild = 'plain' | 'relaxed';
export type BuildName = WasmBuild | NativeBuild;

/** A module with one function, which contains `f32x4.relaxed_madd`. */
const RELAXED_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 17,
  65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11,
];

function hasRelaxed(): boolean {
  const validate = () => WebAssembly.validate(Uint8Array.from(RELAXED_PROBE));
  if (validate()) return true;
  // Node 20 and 21 have it behind a flag, which must be set before the first module that uses it.
  // Later versions of V8 reject the flag.
  if (Number.parseInt(process.versions.node, 10) >= 22) return false;
  v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return validate();
}

function chooseName(asked: string | undefined): WasmBuild {
  const rule = envRule.oneOf(['plain', 'relaxed']);
  const wanted = readEnv('backend-simd', 'DEEPEND_WASM', rule, asked);
  if (wanted === 'plain') return 'plain';
  if (hasRelaxed()) return 'relaxed';
  if (wanted === 'relaxed') {
    throw new EnvironmentError(
      `[backend-simd] DEEPEND_WASM: expected a Node with relaxed SIMD, got ${process.version}; ` +
        'leave DEEPEND_WASM unset',
    );
  }
  return 'plain';
}

/**
 * The relaxed build if Node has relaxed SIMD, or else the plain build. `DEEPEND_WASM` overrides the
 * choice: the results of `plain` are the same on every machine.
 * @throws EnvironmentError when `DEEPEND_WASM` is neither `plain` nor `relaxed`
 */
export function chooseBuild(wanted = process.env.DEEPEND_WASM): {
  name: WasmBuild;
  module: WebAssembly.Module;
} {
  if (typeof WebAssembly === 'undefined') {
    throw new Error(
      '[backend-simd] expected WebAssembly, got none; start Node without --jitless, or use the ' +
        "backend 'cpu'",
    );
  }
  const name = chooseName(wanted);
  return {
    name,
    module: new WebAssembly.Module(Buffer.from(name === 'plain' ? plain : relaxed, 'base64')),
  };
}
