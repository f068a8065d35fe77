/** One time step of a recurrent layer. See assembly/recurrent.ts for how it works. */
#pragma once
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

INLINE V sigmoidSlope(V s) { return s * (splat(1) - s); }
INLINE V tanhSlope(V t) { return splat(1) - t * t; }

inline int recurrentGates(int cell) {
  return cell == RecurrentCell_Lstm ? 4 : cell == RecurrentCell_Gru ? 3 : 1;
}

inline bool isOver(const RecurrentArgs& args, int row, Thread& t) {
  return args.lengths && args.step >= t.at<int32_t>(args.lengths)[row];
}

/** One tile is a block of samples. */
inline void recurrentStep(const RecurrentArgs& args, int tile, Thread& t) {
  const int hidden = args.hidden, cell = args.cell, wide = recurrentGates(cell);
  const int end = min(args.batch, (tile + 1) * args.block);
  for (int row = tile * args.block; row < end; row++) {
    const size_t skip = size_t(row) * hidden, first = skip * wide, bytes = size_t(hidden) * 4;
    const float* previous = t.at(args.previous) + skip;
    const bool isLstm = cell == RecurrentCell_Lstm, isGru = cell == RecurrentCell_Gru;
    float* state = t.at(args.state) + skip;
    float* gates = t.at(args.gates) + first;
    float* extra = isLstm || isGru ? t.at(args.extra) + skip : nullptr;
    const float* before = isLstm ? t.at(args.previousCell) + skip : nullptr;
    if (isOver(args, row, t)) {
      std::memcpy(state, previous, bytes);
      std::memset(gates, 0, wide * bytes);
      if (isLstm) std::memcpy(extra, before, bytes);
      else if (isGru) std::memset(extra, 0, bytes);
      continue;
    }
    const float* x = t.at(args.x) + first;
    const float* p = t.at(args.product) + first;
    eachChannels(hidden, [&](int j, int count) {
      const auto gate = [&](int index, const float* from) {
        return loadUpTo(from + size_t(index) * hidden + j, count);
      };
      const auto put = [&](int index, V v) {
        storeUpTo(gates + size_t(index) * hidden + j, v, count);
      };
      if (isGru) {
        const V r = sigmoid(gate(0, x) + gate(0, p)), z = sigmoid(gate(1, x) + gate(1, p));
        const V hn = gate(2, p), n = hyperbolicTangent(gate(2, x) + r * hn);
        put(0, r), put(1, z), put(2, n);
        storeUpTo(extra + j, hn, count);
        storeUpTo(state + j, n + z * (loadUpTo(previous + j, count) - n), count);
      } else if (isLstm) {
        const V i = sigmoid(gate(0, x) + gate(0, p)), f = sigmoid(gate(1, x) + gate(1, p));
        const V g = hyperbolicTangent(gate(2, x) + gate(2, p));
        const V o = sigmoid(gate(3, x) + gate(3, p));
        const V c = f * loadUpTo(before + j, count) + i * g;
        put(0, i), put(1, f), put(2, g), put(3, o);
        storeUpTo(extra + j, c, count);
        storeUpTo(state + j, o * hyperbolicTangent(c), count);
      } else {
        const V sum = gate(0, x) + gate(0, p);
        const V h = cell == RecurrentCell_Tanh ? hyperbolicTangent(sum) : larger(sum, zero<W>());
        put(0, h);
        storeUpTo(state + j, h, count);
      }
    });
  }
}

/** One tile is a block of samples. */
inline void recurrentGradient(const RecurrentArgs& args, int tile, Thread& t) {
  const int hidden = args.hidden, cell = args.cell, wide = recurrentGates(cell);
  const int end = min(args.batch, (tile + 1) * args.block);
  const bool isLstm = cell == RecurrentCell_Lstm, isGru = cell == RecurrentCell_Gru;
  for (int row = tile * args.block; row < end; row++) {
    const size_t skip = size_t(row) * hidden, first = skip * wide;
    const float* product = t.at(args.product) + skip;
    const float* dOutput = t.at(args.dOutput) + skip;
    const float* gates = t.at(args.gates) + first;
    float* carry = t.at(args.carry) + skip;
    float* dGates = t.at(args.dGates) + first;
    float* dHidden = t.at(args.dHidden) + first;
    const bool over = isOver(args, row, t);
    if (over) {
      std::memset(dGates, 0, size_t(wide) * hidden * 4);
      std::memset(dHidden, 0, size_t(wide) * hidden * 4);
    }
    eachChannels(hidden, [&](int j, int count) {
      const V later = loadUpTo(product + j, count) + loadUpTo(carry + j, count);
      if (over) {
        storeUpTo(carry + j, later, count);
        return;
      }
      const V dh = later + loadUpTo(dOutput + j, count);
      const auto gate = [&](int index) {
        return loadUpTo(gates + size_t(index) * hidden + j, count);
      };
      const auto put = [&](float* to, int index, V v) {
        storeUpTo(to + size_t(index) * hidden + j, v, count);
      };
      const auto at = [&](uint32_t address) { return loadUpTo(t.at(address) + skip + j, count); };
      if (isGru) {
        const V r = gate(0), z = gate(1), n = gate(2);
        const V dn = dh * (splat(1) - z) * tanhSlope(n);
        const V dz = dh * (at(args.previous) - n) * sigmoidSlope(z);
        const V dr = dn * at(args.extra) * sigmoidSlope(r);
        put(dGates, 0, dr), put(dGates, 1, dz), put(dGates, 2, dn);
        put(dHidden, 0, dr), put(dHidden, 1, dz), put(dHidden, 2, dn * r);
        storeUpTo(carry + j, dh * z, count);
      } else if (isLstm) {
        const V i = gate(0), f = gate(1), g = gate(2), o = gate(3);
        const V tanhCell = hyperbolicTangent(at(args.extra));
        const V d = at(args.dCell) + dh * o * tanhSlope(tanhCell);
        put(dGates, 0, d * g * sigmoidSlope(i));
        put(dGates, 1, d * at(args.previousCell) * sigmoidSlope(f));
        put(dGates, 2, d * i * tanhSlope(g));
        put(dGates, 3, dh * tanhCell * sigmoidSlope(o));
        storeUpTo(t.at(args.dCell) + skip + j, d * f, count);
        storeUpTo(carry + j, zero<W>(), count);
      } else {
        const V h = gate(0);
        const V d = cell == RecurrentCell_Tanh ? dh * tanhSlope(h)
                                               : select(h > zero<W>(), dh, h * dh);
        put(dGates, 0, d);
        storeUpTo(carry + j, zero<W>(), count);
      }
    });
  }
}

}  // namespace DEEPEND_ISA
