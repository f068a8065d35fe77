/** Neural style transfer. */
export { contentLoss, gram, styleLoss, tvLoss } from './losses';
export {
  extractFeatures,
  type FeatureLayers,
  type StyleRecord,
  type StyleTransferOptions,
  styleTransfer,
  VGG19_LAYERS,
} from './style-transfer';
