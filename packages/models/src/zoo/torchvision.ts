/**
 * torchvision's models by torchvision's ids, with the same parameters, names of parameters and
 * logits.
 */

import type { ModelOptions } from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { alexnet } from './alexnet';
import { type ConvNextName, type ConvNextOptions, convnext } from './convnext';
import { type DenseNetName, densenet } from './densenet';
import { type EfficientNetName, type EfficientNetOptions, efficientnet } from './efficientnet';
import { googlenet } from './googlenet';
import { mobilenet_v2 } from './mobilenet';
import { cifarResnet, type ResNetName, type ResNetOptions, resnet } from './resnet';
import { type VggName, type VggOptions, vgg } from './vgg';

const resnetOf =
  (name: ResNetName) =>
  (options?: ResNetOptions): LayersModel =>
    resnet(name, options);
const vggOf =
  (name: VggName) =>
  (options?: VggOptions): LayersModel =>
    vgg(name, options);
const densenetOf =
  (name: DenseNetName) =>
  (options?: ModelOptions): LayersModel =>
    densenet(name, options);
const efficientnetOf =
  (name: EfficientNetName) =>
  (options?: EfficientNetOptions): LayersModel =>
    efficientnet(name, options);
const convnextOf =
  (name: ConvNextName) =>
  (options?: ConvNextOptions): LayersModel =>
    convnext(name, options);

export const resnet18 = resnetOf('resnet18');
export const resnet34 = resnetOf('resnet34');
export const resnet50 = resnetOf('resnet50');
export const resnet101 = resnetOf('resnet101');
export const resnet152 = resnetOf('resnet152');
export const resnext50_32x4d = resnetOf('resnext50_32x4d');
export const resnext101_32x8d = resnetOf('resnext101_32x8d');
export const resnext101_64x4d = resnetOf('resnext101_64x4d');
export const wide_resnet50_2 = resnetOf('wide_resnet50_2');
export const wide_resnet101_2 = resnetOf('wide_resnet101_2');
export const vgg11 = vggOf('vgg11');
export const vgg13 = vggOf('vgg13');
export const vgg16 = vggOf('vgg16');
export const vgg19 = vggOf('vgg19');
export const vgg11_bn = vggOf('vgg11_bn');
export const vgg13_bn = vggOf('vgg13_bn');
export const vgg16_bn = vggOf('vgg16_bn');
export const vgg19_bn = vggOf('vgg19_bn');
export const densenet121 = densenetOf('densenet121');
export const densenet161 = densenetOf('densenet161');
export const densenet169 = densenetOf('densenet169');
export const densenet201 = densenetOf('densenet201');
export const efficientnet_b0 = efficientnetOf('efficientnet_b0');
export const convnext_tiny = convnextOf('convnext_tiny');
export { alexnet, googlenet, mobilenet_v2 };

/** The ResNets for 32×32 pixels; `cifar.x` builds the model with the id `cifar/x`. */
export const cifar = {
  resnet20: (options?: ResNetOptions): LayersModel => cifarResnet('resnet20', options),
  resnet32: (options?: ResNetOptions): LayersModel => cifarResnet('resnet32', options),
  resnet44: (options?: ResNetOptions): LayersModel => cifarResnet('resnet44', options),
  resnet56: (options?: ResNetOptions): LayersModel => cifarResnet('resnet56', options),
  resnet110: (options?: ResNetOptions): LayersModel => cifarResnet('resnet110', options),
  resnet164: (options?: ResNetOptions): LayersModel => cifarResnet('resnet164', options),
  resnet1001: (options?: ResNetOptions): LayersModel => cifarResnet('resnet1001', options),
};
