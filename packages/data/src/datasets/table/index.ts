/** Tables of numbers and categories: reading, features for a model, folds, a submission. */
export type { AnyColumn, CategoricalColumn, NumericColumn } from './columns';
export { TableEncoder, type TableEncoderOptions, type TableFeatures } from './encoder';
export { type Fold, type KFoldOptions, kFold } from './folds';
export { type TableOptions, table } from './read';
export { writeSubmission } from './submission';
export { Table, type TableSchema } from './table';
