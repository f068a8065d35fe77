/**
 * Operation codes. TypeScript imports this file as it is, so it holds only enums: `Task` is the
 * kernel that a job runs, the others choose an operation within a kernel.
 */
export enum Task {
  PackB, MatMul,
  ConvDirect, ConvGather, ConvFilter, ConvFilterGather, ConvGroups, ConvFilterGroups,
  PadImages, ConvScatter, ReducePartials,
  TransformFilter, WinogradConv, WinogradTiles, WinogradProduct, WinogradWrite,
  WinogradGradientTiles, WinogradFilterProduct, UntransformFilter,
  NormPartial, NormCombine, NormApply, NormBackPartial, NormBackCombine, NormBackApply,
  ChannelSumsPartial,
  PoolForward, MaxPoolGradient, AveragePoolGradient, Unary, Binary, ReduceRows, Softmax,
  CopyStrided, TransposeMatrix, Cast, Update,
  DepthwiseForward, DepthwiseInputGradient, DepthwiseFilterGradient,
  Select, Fill, OneHot, RandomUniform, Dropout, ResizeBilinear, ResizeNearest,
  RecurrentStep, RecurrentGradient, LayerNorm, LayerNormGradient, EmbeddingGradient,
  Attention, AttentionGradient, GatherRows, ArgExtreme,
  TopK, Logical, ResizeGradient,
}

export enum UnaryOp {
  Relu, Relu6, Neg, Abs, Square, Sqrt, Rsqrt, Step, Reciprocal, Floor, Ceil, Round, LeakyRelu,
  Clip, Affine, Exp, Expm1, Elu, Sigmoid, Tanh, Gelu, GeluTanh, Silu,
  // From here on one number at a time, in double precision.
  Log, Log1p, Softplus, Sin, Cos,
}

export enum BinaryOp {
  Add, Sub, Mul, Div, Max, Min, SquaredDifference, Prelu,
  ReluGrad, Relu6Grad, SigmoidGrad, TanhGrad, EluGrad,
  GeluGrad, GeluTanhGrad, SiluGrad,
  // From here on the results are bytes, 0 or 1.
  Greater, GreaterEqual, Less, LessEqual, Equal, NotEqual,
  // Of int32.
  GreaterInt, GreaterEqualInt, LessInt, LessEqualInt, EqualInt, NotEqualInt,
}

/** Of bytes. */
export enum LogicalOp { And, Or, Not }

export enum ReduceOp { Sum, Prod, Max, Min }

export enum SoftmaxKind { Softmax, LogSoftmax, CrossEntropyIndices, CrossEntropyProbabilities }

export enum RecurrentCell { Tanh, Relu, Gru, Lstm }

export enum CastKind { IntToFloat, ByteToFloat, ByteToInt, FloatToByte, IntToByte }

export enum UpdateRule {
  Sgd, Momentum, Nesterov, Adam,
  Rmsprop, RmspropMomentum, RmspropCentered, RmspropCenteredMomentum, Adagrad, Lion,
}
