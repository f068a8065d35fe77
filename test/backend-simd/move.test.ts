/** Kernels that move numbers, on simd as on stock cpu, to the bit. */

import { MOVES } from './move-rows';
import { describeMoves } from './moves';

describeMoves(MOVES);
