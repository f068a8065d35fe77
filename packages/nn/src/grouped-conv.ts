/**
 * Grouped convolution, Krizhevsky et al. 2012; the layer that ResNeXt needs, Xie et al. 2017,
 * https://arxiv.org/abs/1611.05431.
 */
import { pathToFileURL } from 'node:url';
import type { CustomLayer } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { nextGroupedConvName } from './naming';

type Initializer = ReturnType<typeof tfl.initializers.zeros>;
type Size = number | [height: number, width: number];

export interface GroupedConv2DConfig {
  /** Output channels, of all groups together. */
  filters: number;
  kernelSize: Size;
  /** Must divide the input channels and `filters`. */
  groups: number;
  /** @default 1 */
  strides?: Size;
  /** Only `'valid'`: add zeros around the image with a ZeroPadding2D before. @default 'valid' */
  padding?: 'valid';
  /** @default true */
  useBias?: boolean;
  /** An initializer, its name, or what it serializes to. @default 'glorotUniform' */
  kernelInitializer?: Initializer | string | tf.serialization.ConfigDict;
  name?: string;
  /** @default true */
  trainable?: boolean;
}

const isPositive = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;
const isSize = (value: unknown) =>
  Array.isArray(value) ? value.length === 2 && value.every(isPositive) : isPositive(value);
const size = () =>
  rule.custom<Size>(isSize, 'an integer of at least 1, or two of them: height and width');
const anything = () => rule.custom<unknown>(() => true, 'anything').optional();

const options = rule.object({
  filters: rule.positiveInteger(),
  kernelSize: size(),
  groups: rule.positiveInteger(),
  strides: size().optional(),
  padding: rule.oneOf(['valid']).optional(),
  useBias: rule.boolean().optional(),
  kernelInitializer: anything(),
  // The options of every layer, which tfjs reads itself.
  name: anything(),
  trainable: anything(),
  dtype: anything(),
  inputShape: anything(),
  batchInputShape: anything(),
  // What tfjs adds to the configuration that it reads from a file.
  customObjects: anything(),
});

const pair = (value: Size): [number, number] => (Array.isArray(value) ? value : [value, value]);

/**
 * Makes an initializer from its name or its serialized form. tfjs does not export the function that
 * does this, but it does export the map of the classes that it can load.
 */
function readInitializer(
  given: NonNullable<GroupedConv2DConfig['kernelInitializer']>,
  where: string,
): Initializer {
  if (typeof given === 'object' && 'apply' in given) return given as Initializer;
  const { className, config } =
    typeof given === 'string'
      ? { className: given, config: {} }
      : (given as tf.serialization.ConfigDict);
  const name = String(className).replace(/^[a-z]/, (letter) => letter.toUpperCase());
  const [cls, make] = tf.serialization.SerializationMap.getMap().classNameMap[name] ?? [];
  if (cls && make)
    return make(cls, config as tf.serialization.ConfigDict) as unknown as Initializer;
  throw new RangeError(
    `${where}: option "kernelInitializer" must be the name of an initializer of ` +
      `TensorFlow.js, got '${className}'`,
  );
}

/** The URL of this file, in CommonJS and in ES modules. */
const HERE = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;

/**
 * `[batch, height, width, channels]` → `[batch, ⌊(height − kh) / stride⌋ + 1, …, filters]`:
 * channels and filters are split into `groups` groups, and the filters of a group see only the
 * channels of that group. Weights: `kernel` `[kh, kw, channels / groups, filters]` and `bias`
 * `[filters]`, which is initialized with 0.
 *
 * TensorFlow.js has no such layer. A model with this layer saves and loads like any other, but
 * stock TensorFlow.js loads it only in a program that imports deepend. It predicts on every
 * backend; deepend's training plan computes its gradients.
 * @throws RangeError when `groups` does not divide the filters or the input channels; the error
 *   names the layer
 */
export class GroupedConv2D extends tfl.layers.Layer {
  /** @nocollapse */
  static readonly className = 'deepend>GroupedConv2D';
  /** Tells the compiler to lower the layer like a Conv2D, and workers which file to import. */
  static readonly customLayer: CustomLayer = { lowersLike: 'Conv2D', module: HERE };
  readonly #filters: number;
  readonly #groups: number;
  readonly #kernelSize: [number, number];
  readonly #strides: [number, number];
  readonly #useBias: boolean;
  readonly #kernelInitializer: Initializer;
  #kernel?: tfl.LayerVariable;
  #bias?: tfl.LayerVariable;

  constructor(config: GroupedConv2DConfig) {
    super({
      ...config,
      name: config?.name ?? nextGroupedConvName(),
    } as ConstructorParameters<typeof tfl.layers.Layer>[0]);
    const checked = checkOptions(this.#where(), options, config) as GroupedConv2DConfig;
    this.#filters = checked.filters;
    this.#groups = checked.groups;
    this.#kernelSize = pair(checked.kernelSize);
    this.#strides = pair(checked.strides ?? 1);
    this.#useBias = checked.useBias ?? true;
    this.#kernelInitializer = readInitializer(
      checked.kernelInitializer ?? 'glorotUniform',
      this.#where(),
    );
    this.#refuseRest('filters', this.#filters);
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = onlyShape(inputShape);
    const channels = shape[3];
    if (shape.length !== 4 || !channels) {
      throw new RangeError(
        `${this.#where()}: expected images [batch, height, width, channels], got ` +
          `[${shape.map(String).join(', ')}]`,
      );
    }
    this.#refuseRest('input channels', channels);
    const [kh, kw] = this.#kernelSize;
    this.#kernel = this.addWeight(
      'kernel',
      [kh, kw, channels / this.#groups, this.#filters],
      'float32',
      this.#kernelInitializer,
    );
    if (this.#useBias)
      this.#bias = this.addWeight('bias', [this.#filters], 'float32', tfl.initializers.zeros());
    super.build(inputShape);
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch = null, ...size] = onlyShape(inputShape);
    const positions = [0, 1].map((axis) => {
      const [length = null, kernel = 1, stride = 1] = [
        size[axis],
        this.#kernelSize[axis],
        this.#strides[axis],
      ];
      return length === null ? null : Math.floor((length - kernel) / stride) + 1;
    });
    return [batch, ...positions, this.#filters];
  }

  /** Convolves each group separately, with operations that every backend has. */
  override call(
    inputs: tf.Tensor | tf.Tensor[],
    kwargs: Parameters<tfl.layers.Layer['call']>[1],
  ): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor4D;
      const kernels = tf.split(this.#kernel?.read() as tf.Tensor4D, this.#groups, 3);
      const images: tf.Tensor4D[] = tf.split(x, this.#groups, 3);
      const parts = images.map((part, group) =>
        tf.conv2d(part, kernels[group] as tf.Tensor4D, this.#strides, 'valid'),
      );
      const joined: tf.Tensor = tf.concat(parts, 3); // [batch, h', w', filters]
      return this.#bias ? tf.add(joined, this.#bias.read()) : joined;
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    const kernelInitializer = this.#kernelInitializer;
    return {
      ...super.getConfig(),
      filters: this.#filters,
      groups: this.#groups,
      kernelSize: this.#kernelSize,
      strides: this.#strides,
      padding: 'valid',
      useBias: this.#useBias,
      kernelInitializer: {
        className: kernelInitializer.getClassName(),
        config: kernelInitializer.getConfig(),
      },
    };
  }

  #where(): string {
    return `[nn] layer '${this.name}' (GroupedConv2D)`;
  }

  #refuseRest(what: string, count: number): void {
    if (count % this.#groups === 0) return;
    throw new RangeError(
      `${this.#where()}: expected ${what} that ${this.#groups} groups divide, got ${count}; ` +
        `take another number of groups`,
    );
  }
}

tf.serialization.registerClass(GroupedConv2D);
/** Makes a `GroupedConv2D`, in the style of `tfl.layers.conv2d`. */
export const groupedConv2d = (config: GroupedConv2DConfig): GroupedConv2D =>
  new GroupedConv2D(config);

const onlyShape = (shape: tfl.Shape | tfl.Shape[]): tfl.Shape =>
  (Array.isArray(shape[0]) ? shape[0] : shape) as tfl.Shape;
