/** The numbers of the operations within one kernel. Read by both sides, as task.ts is. */
export enum UnaryOp {
  Relu, Relu6, Neg, Abs, Square, Sqrt, Rsqrt, Step, Reciprocal, Floor, Ceil, Round, LeakyRelu, Clip, Affine,
  Exp, Expm1, Elu, Sigmoid, Tanh,
  // These go one by one.
  Log, Log1p, Softplus, Sin, Cos,
}

export enum BinaryOp {
  Add, Sub, Mul, Div, Max, Min, SquaredDifference, Prelu, ReluGrad, Relu6Grad, SigmoidGrad, TanhGrad, EluGrad,
  // These give bytes.
  Greater, GreaterEqual, Less, LessEqual, Equal, NotEqual,
}

export enum ReduceOp { Sum, Prod, Max, Min }

export enum CastKind { IntToFloat, ByteToFloat, ByteToInt }

export enum UpdateRule {
  Sgd, Momentum, Nesterov, Adam, Rmsprop, RmspropMomentum, RmspropCentered, RmspropCenteredMomentum, Adagrad, Lion,
}
