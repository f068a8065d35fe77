/** Semantic segmentation: masks, data and models. */
export {
  label2image,
  type MaskColorsOptions,
  maskFromColors,
  VOC_BOUNDARY,
  VOC_CLASSES,
  VOC_COLORMAP,
  vocColor,
} from './colors';
export {
  type MaskLoaderOptions,
  type MaskSample,
  type MaskSource,
  maskLoader,
} from './mask-loader';
export { DoubleConv, UNet, type UNetOptions } from './unet';
export {
  IMAGENET_STATISTICS,
  loadVoc,
  readVocImages,
  type VocFileOptions,
  type VocOptions,
} from './voc';
