/** Grouped convolution through gathered windows. See assembly/conv-groups.ts for how it works. */
#pragma once
#include "lanes.hpp"

namespace DEEPEND_ISA {

/** Gathers a group's windows of positions [first, first + count), `outStep` floats apart. */
inline void gatherGroup(const GroupArgs& args, int group, int first, int count, float* out,
                        size_t outStep, Thread& t) {
  const int channels = args.channels;
  const int kernelRows = args.kernelRows, kernelColumns = args.kernelColumns;
  eachWindow(args, first, count, t, [&](int i, const float* window) {
    const float* from = window + size_t(group) * channels;
    float* to = out + i * outStep;
    // Tap by tap, and up to three floats more.
    for (int row = 0; row < kernelRows; row++, from += args.kernelStepY) {
      const float* tap = from;
      for (int column = 0; column < kernelColumns; column++, tap += args.kernelStepX) {
        for (int at = 0; at < channels; at += 4) store(to + at, load<4>(tap + at));
        to += channels;
      }
    }
  });
}

/** One tile computes rowBlock positions × groupBlock groups. */
inline void convGroups(const GroupArgs& args, int tile, Thread& t) {
  const int group0 = tile % args.groupBlocks * args.groupBlock;
  const int first = tile / args.groupBlocks * args.rowBlock;
  const int rows = min(args.rowBlock, args.batch * args.gridHeight * args.gridWidth - first);
  const int last = min(args.groups, group0 + args.groupBlock), groups = last - group0;
  if (hasLanes(args, group0, groups)) {
    if (args.channels == 4) lanesForward<4>(args, group0, groups, first, rows, t);
    else lanesForward<8>(args, group0, groups, first, rows, t);
    return;
  }
  const int columns = args.columns, panels = (columns + NR - 1) / NR;
  const size_t stride = size_t(panels) * NR;
  const bool direct = columns % NR == 0;
  const int k = args.kernelRows * args.kernelColumns * args.channels;
  const size_t rowFloats = size_t((k + 3) & ~3) + 16;
  float* spare = reinterpret_cast<float*>(t.scratch);
  float* temporary = spare + stride;
  float* windows = temporary + size_t(args.rowBlock) * stride;
  const size_t outStep = size_t(args.groups) * columns;
  for (int group = group0; group < last; group++) {
    float* out = t.at(args.out) + size_t(first) * outStep + size_t(group) * columns;
    gatherGroup(args, group, first, rows, windows, rowFloats, t);
    for (int row = 0; row < rows; row++) {
      t.a[row] = windows + row * rowFloats;
      t.c[row] = direct ? out + row * outStep : temporary + row * stride;
    }
    const float* b = t.at(args.panels) + size_t(group) * k * stride;
    gemmRows(t, padTables(t, rows, windows, spare), k, b, panels, size_t(k) * NR, false);
    if (direct && !args.bias && !args.activation) continue;
    const float* bias = args.bias ? t.at(args.bias) + size_t(group) * columns : nullptr;
    for (int row = 0; row < rows; row++) {
      float* to = out + row * outStep;
      finishRow(direct ? to : temporary + row * stride, to, columns, bias, args.activation);
    }
  }
}

/**
 * dW = Σ over positions of windowᵀ · dy, group by group. One tile of the job: (partial sum, block
 * of groups).
 */
inline void convFilterGroups(const GroupArgs& args, int tile, Thread& t) {
  const int group0 = tile % args.groupBlocks * args.groupBlock;
  const int partial = tile / args.groupBlocks;
  const int64_t positions = int64_t(args.batch) * args.gridHeight * args.gridWidth;
  const int begin = int(positions * partial / args.partials);
  const int end = int(positions * (partial + 1) / args.partials);
  const int last = min(args.groups, group0 + args.groupBlock), groups = last - group0;
  float* outStart = t.at(args.out) + size_t(partial) * args.partialStride;
  if (hasLanes(args, group0, groups)) {
    if (args.channels == 4) lanesFilterGradient<4>(args, group0, groups, begin, end, outStart, t);
    else lanesFilterGradient<8>(args, group0, groups, begin, end, outStart, t);
    return;
  }
  const int k = args.kernelRows * args.kernelColumns * args.channels;
  // Not a power of two, so that the rows fall into different cache sets.
  const size_t xStride = size_t((k + 7) & ~3) + 20;
  float* edge = reinterpret_cast<float*>(t.scratch);
  float* xs = edge + MR * WIDE * NR;
  float* dys = xs + FILTER_KC * xStride + 16;
  const size_t outStep = size_t(args.groups) * args.columns;
  for (int group = group0; group < last; group++) {
    const size_t column = size_t(group) * args.columns;
    float* out = outStart + column;
    for (int position = begin; position < end; position += FILTER_KC) {
      const int count = min(FILTER_KC, end - position);
      gatherGroup(args, group, position, count, xs, xStride, t);
      for (int p = 0; p < count; p++)
        packColumns(t.at(args.dy) + size_t(position + p) * outStep + column, dys + p * NR,
                    args.columns, FILTER_PANEL);
      columnProduct(count, {xs, xStride, MR}, k, dys, FILTER_PANEL, args.columns, out, outStep,
                    edge, position > begin);
    }
  }
}

}  // namespace DEEPEND_ISA
