/** ONNX Runtime, which reads exported nets back. */

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: { create(file: string, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

const NAME = 'onnxruntime-node'; // not for the type checker: it may be absent
const ort: Ort | undefined = await import(NAME).catch(() => undefined);

/** Why ONNX Runtime cannot be asked here; empty where it can. */
export const ortAbsent = ort ? '' : 'onnxruntime-node is not here; npm run peers installs it';

export interface Values {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/**
 * What a file computes of its inputs, in the order of its outputs; one thread, and nothing said.
 */
export async function runOnnx(
  file: string,
  inputs: readonly Values[],
): Promise<{ names: readonly string[]; outputs: Values[] }> {
  const { InferenceSession, Tensor } = ort as Ort;
  const session = await InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const feeds = session.inputNames.map((name, i) => [
      name,
      new Tensor('float32', inputs[i]?.data as Float32Array, inputs[i]?.dims ?? []),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    return {
      names: session.outputNames,
      outputs: session.outputNames.map((name) => results[name] as OrtTensor),
    };
  } finally {
    await session.release();
  }
}
