/** What assembly/reduce.ts's softmax gives. Read by both sides. */
export enum SoftmaxKind { Softmax, LogSoftmax, CrossEntropyIndices, CrossEntropyProbabilities }
