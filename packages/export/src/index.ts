export { exportKeras } from './keras/keras';
export { exportOnnx, type OnnxOptions } from './onnx/onnx';
export { type ExportSafetensorsOptions, exportSafetensors } from './safetensors/safetensors';
export { tensorBoard } from './tensorboard/callback';
export { type ExportTensorBoardOptions, exportTensorBoard } from './tensorboard/history';
export { type ExportTfjsOptions, exportTfjs } from './tfjs/tfjs';
