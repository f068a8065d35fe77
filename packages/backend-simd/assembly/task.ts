/**
 * The number of each kernel. Read by both sides: the assembly's table and the launchers in
 * src/kernels.
 */
export enum Task {
  PackB, MatMul, ConvDirect, ConvGather, ConvFilter, ConvFilterGather, PadImages, ConvScatter, ReducePartials,
  TransformFilter, WinogradConv, WinogradTiles, WinogradProduct, WinogradWrite, WinogradGradientTiles, WinogradFilterProduct, UntransformFilter,
  NormPartial, NormCombine, NormApply, NormBackPartial, NormBackCombine, NormBackApply, ChannelSumsPartial,
  PoolForward, MaxPoolGradient, AveragePoolGradient, Unary, Binary, ReduceRows, Softmax,
  CopyStrided, TransposeMatrix, Cast, Update, DepthwiseForward, DepthwiseInputGradient, DepthwiseFilterGradient,
  Select, Fill, OneHot, RandomUniform, Dropout, ResizeBilinear, ResizeNearest,
}
