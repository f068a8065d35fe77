/**
 * Probes WebGPU in Node: Dawn, from the npm package `webgpu`, under
 * `@tensorflow/tfjs-backend-webgpu`. Both are optional. deepend uses one adapter, the one that Dawn
 * offers for high performance: `webgpu:0`.
 */
import { pathToFileURL } from 'node:url';
import { probeInChild, reportAnswer, resolvePackage } from '../packages';
import { state } from '../state';

const PACKAGES = { webgpu: '0.6.2', '@tensorflow/tfjs-backend-webgpu': '4.22.0' } as const;
const PROBE_TIMEOUT = 60_000; // ms

/** The adapter that WebGPU computes on here. */
export interface WebgpuAdapter {
  /** The driver's name for it: `nvidia-h100-80gb-hbm3 (NVIDIA: 570.86)`. */
  readonly name: string;
  /** It is a program on the CPU, such as SwiftShader or llvmpipe: correct, but slow. */
  readonly software: boolean;
}

/** Whether WebGPU works here. */
export interface WebgpuProbe {
  readonly adapter?: WebgpuAdapter;
  /** Why it cannot compute, and what to do; undefined when it can. */
  readonly fault?: string;
}

/** Looks for an adapter; once per process, in a child process, since a driver can abort it. */
export function probeWebgpu(): Promise<WebgpuProbe> {
  const shared = state();
  shared.webgpu ??= probe();
  return shared.webgpu;
}

async function probe(): Promise<WebgpuProbe> {
  const names = Object.keys(PACKAGES) as (keyof typeof PACKAGES)[];
  const absent = names.filter((name) => !resolvePackage(name));
  if (absent.length > 0) {
    const wanted = absent.map((name) => `${name}@${PACKAGES[name]}`).join(' ');
    return {
      fault:
        `${absent.join(' and ')} ${absent.length > 1 ? 'are' : 'is'} not installed; npm ` +
        `i ${wanted}`,
    };
  }
  return tryDawn(resolvePackage('webgpu') as string);
}

/** Asks Dawn for an adapter, and the adapter for a device. */
async function tryDawn(file: string): Promise<WebgpuProbe> {
  const script = `
    const { create } = await import(process.argv[1]);
    const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' });
    const device = await adapter?.requestDevice();
    const { vendor, device: model, description, isFallbackAdapter } = adapter?.info ?? {};
    ${reportAnswer('{ found: Boolean(device), vendor, model, description, isFallbackAdapter }')}
    device?.destroy();`;
  const outcome = await probeInChild<AdapterAnswer>({
    args: ['--input-type=module', '-e', script, pathToFileURL(file).href],
    timeout: PROBE_TIMEOUT,
  });
  if ('fault' in outcome) return { fault: `webgpu (Dawn) does not work: ${outcome.fault}` };
  const { answer, stderr } = outcome;
  return answer.found ? { adapter: describeAdapter(answer) } : { fault: noAdapter(stderr) };
}

interface AdapterAnswer {
  readonly found: boolean;
  readonly vendor?: string;
  readonly model?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic.render|\bwarp\b/i;

/** A driver may not say that it is software; the common ones are recognised by their names. */
export function describeAdapter({
  vendor = '',
  model = '',
  description = '',
  isFallbackAdapter,
}: Omit<AdapterAnswer, 'found'>): WebgpuAdapter {
  const known = model.replace(/-+$/, '') || vendor || 'an adapter without a name';
  const name = description ? `${known} (${description})` : known;
  return { name, software: isFallbackAdapter === true || SOFTWARE.test(`${model} ${description}`) };
}

/** Why Dawn found no adapter; its warnings name the missing part of Vulkan. */
export function noAdapter(stderr: string): string {
  if (/no drivers|INCOMPATIBLE_DRIVER/i.test(stderr))
    return "Dawn found no Vulkan driver; install the GPU's";
  const warning = stderr.split('\n').find((line) => line.startsWith('Warning:'));
  if (/libvulkan/i.test(stderr))
    return `Dawn found no Vulkan loader; install it (Debian: libvulkan1)`;
  const detail = warning ? `: ${warning.slice(8).trim()}` : '';
  return (
    `Dawn found no adapter${detail}; ` +
    "check that the GPU's Vulkan driver is installed and new enough"
  );
}
