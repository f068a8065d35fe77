/**
 * Which function computes a tile of which task. The build reads the arguments' class of each task
 * from here.
 */
import { AttentionArgs, attention, attentionGradient } from './attention';
import { CastArgs, FillArgs, OneHotArgs, cast, fill, oneHot } from './cast';
import { ConvArgs, convDirect } from './conv';
import { FilterArgs, ReduceArgs, convFilter, reducePartials } from './conv-filter';
import { GatherArgs, PadArgs, convFilterGather, convGather, padImages } from './conv-gather';
import { GroupArgs, convFilterGroups, convGroups } from './conv-groups';
import { ScatterArgs, convScatter } from './conv-scatter';
import {
  DepthwiseArgs,
  depthwiseFilterGradient,
  depthwiseForward,
  depthwiseInputGradient,
} from './depthwise';
import { BinaryArgs, SelectArgs, binary, select4 } from './elementwise';
import { EmbeddingArgs, embeddingGradient } from './embedding';
import { ArgExtremeArgs, GatherRowsArgs, argExtreme, gatherRows } from './gather';
import { LayerNormArgs, layerNorm, layerNormGradient } from './layer-norm';
import { logical } from './logical';
import { MatMulArgs, PackArgs, matMul, packB } from './matmul';
import { CopyArgs, TransposeArgs, copyStrided, transposeMatrix } from './move';
import { NormArgs, channelSumsPartial, normApply, normCombine, normPartial } from './norm';
import { normBackApply, normBackCombine, normBackPartial } from './norm-gradient';
import { PoolArgs, averagePoolGradient, maxPoolGradient, poolForward } from './pooling';
import { RandomArgs, dropout, randomUniform } from './random';
import { RecurrentArgs, recurrentGradient, recurrentStep } from './recurrent';
import { ReduceRowsArgs, reduceRows } from './reduce';
import { ResizeArgs, resizeBilinear, resizeNearest } from './resize';
import { ResizeGradientArgs, resizeGradient } from './resize-gradient';
import { SoftmaxArgs, softmax } from './softmax';
import { TopKArgs, topK } from './top-k';
import { UnaryArgs, unary } from './unary';
import { UpdateArgs, update } from './update';
import {
  PlaneRowsArgs,
  WinogradArgs,
  winogradConv,
  winogradProduct,
  winogradWrite,
} from './winograd';
import {
  FilterTransformArgs,
  PlaneProductArgs,
  TilesArgs,
  UnfilterArgs,
  transformFilter,
  untransformFilter,
  winogradFilterProduct,
  winogradGradientTiles,
  winogradTiles,
} from './winograd-filter';
import { Task } from './ops';

export function runTile(task: i32, args: usize, tile: i32): void {
  switch (task) {
    case Task.PackB: return packB(changetype<PackArgs>(args), tile);
    case Task.MatMul: return matMul(changetype<MatMulArgs>(args), tile);
    case Task.ConvDirect: return convDirect(changetype<ConvArgs>(args), tile);
    case Task.ConvGather: return convGather(changetype<GatherArgs>(args), tile);
    case Task.ConvFilterGather: return convFilterGather(changetype<GatherArgs>(args), tile);
    case Task.ConvGroups: return convGroups(changetype<GroupArgs>(args), tile);
    case Task.ConvFilterGroups: return convFilterGroups(changetype<GroupArgs>(args), tile);
    case Task.ConvScatter: return convScatter(changetype<ScatterArgs>(args), tile);
    case Task.PadImages: return padImages(changetype<PadArgs>(args), tile);
    case Task.ConvFilter: return convFilter(changetype<FilterArgs>(args), tile);
    case Task.ReducePartials: return reducePartials(changetype<ReduceArgs>(args), tile);
    case Task.TransformFilter: return transformFilter(changetype<FilterTransformArgs>(args), tile);
    case Task.WinogradConv: return winogradConv(changetype<WinogradArgs>(args), tile);
    case Task.WinogradTiles: return winogradTiles(changetype<TilesArgs>(args), tile);
    case Task.WinogradProduct: return winogradProduct(changetype<PlaneRowsArgs>(args), tile);
    case Task.WinogradWrite: return winogradWrite(changetype<WinogradArgs>(args), tile);
    case Task.WinogradGradientTiles:
      return winogradGradientTiles(changetype<TilesArgs>(args), tile);
    case Task.WinogradFilterProduct:
      return winogradFilterProduct(changetype<PlaneProductArgs>(args), tile);
    case Task.UntransformFilter: return untransformFilter(changetype<UnfilterArgs>(args), tile);
    case Task.NormPartial: return normPartial(changetype<NormArgs>(args), tile);
    case Task.NormCombine: return normCombine(changetype<NormArgs>(args), tile);
    case Task.NormApply: return normApply(changetype<NormArgs>(args), tile);
    case Task.NormBackPartial: return normBackPartial(changetype<NormArgs>(args), tile);
    case Task.NormBackCombine: return normBackCombine(changetype<NormArgs>(args), tile);
    case Task.NormBackApply: return normBackApply(changetype<NormArgs>(args), tile);
    case Task.ChannelSumsPartial: return channelSumsPartial(changetype<NormArgs>(args), tile);
    case Task.PoolForward: return poolForward(changetype<PoolArgs>(args), tile);
    case Task.MaxPoolGradient: return maxPoolGradient(changetype<PoolArgs>(args), tile);
    case Task.AveragePoolGradient: return averagePoolGradient(changetype<PoolArgs>(args), tile);
    case Task.Unary: return unary(changetype<UnaryArgs>(args), tile);
    case Task.Binary: return binary(changetype<BinaryArgs>(args), tile);
    case Task.ReduceRows: return reduceRows(changetype<ReduceRowsArgs>(args), tile);
    case Task.Softmax: return softmax(changetype<SoftmaxArgs>(args), tile);
    case Task.CopyStrided: return copyStrided(changetype<CopyArgs>(args), tile);
    case Task.TransposeMatrix: return transposeMatrix(changetype<TransposeArgs>(args), tile);
    case Task.Cast: return cast(changetype<CastArgs>(args), tile);
    case Task.Update: return update(changetype<UpdateArgs>(args), tile);
    case Task.DepthwiseForward: return depthwiseForward(changetype<DepthwiseArgs>(args), tile);
    case Task.DepthwiseInputGradient:
      return depthwiseInputGradient(changetype<DepthwiseArgs>(args), tile);
    case Task.DepthwiseFilterGradient:
      return depthwiseFilterGradient(changetype<DepthwiseArgs>(args), tile);
    case Task.Select: return select4(changetype<SelectArgs>(args), tile);
    case Task.Fill: return fill(changetype<FillArgs>(args), tile);
    case Task.OneHot: return oneHot(changetype<OneHotArgs>(args), tile);
    case Task.RandomUniform: return randomUniform(changetype<RandomArgs>(args), tile);
    case Task.Dropout: return dropout(changetype<RandomArgs>(args), tile);
    case Task.ResizeBilinear: return resizeBilinear(changetype<ResizeArgs>(args), tile);
    case Task.ResizeNearest: return resizeNearest(changetype<ResizeArgs>(args), tile);
    case Task.RecurrentStep: return recurrentStep(changetype<RecurrentArgs>(args), tile);
    case Task.RecurrentGradient: return recurrentGradient(changetype<RecurrentArgs>(args), tile);
    case Task.LayerNorm: return layerNorm(changetype<LayerNormArgs>(args), tile);
    case Task.LayerNormGradient: return layerNormGradient(changetype<LayerNormArgs>(args), tile);
    case Task.EmbeddingGradient: return embeddingGradient(changetype<EmbeddingArgs>(args), tile);
    case Task.Attention: return attention(changetype<AttentionArgs>(args), tile);
    case Task.GatherRows: return gatherRows(changetype<GatherRowsArgs>(args), tile);
    case Task.ArgExtreme: return argExtreme(changetype<ArgExtremeArgs>(args), tile);
    case Task.TopK: return topK(changetype<TopKArgs>(args), tile);
    case Task.Logical: return logical(changetype<BinaryArgs>(args), tile);
    case Task.ResizeGradient:
      return resizeGradient(changetype<ResizeGradientArgs>(args), tile);
    case Task.AttentionGradient: return attentionGradient(changetype<AttentionArgs>(args), tile);
  }
}
