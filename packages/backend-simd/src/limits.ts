/** Sizes that decide how much memory a kernel takes; `workspaceBytes` computes with them too. */

/** Bytes that a block of Winograd tiles may take in all three steps: a second-level cache. */
export const CACHE_BYTES = 1_200_000;
/** Bytes that the planes of a Winograd chunk may take if a block does not fit in the cache. */
export const CHUNK_BYTES = 16 << 20;
/** Fewest Winograd tiles in a block. */
export const MIN_BLOCK_TILES = 30;
/** Below this many channels, a padded copy of the image makes the product of a tap longer. */
export const FEW_CHANNELS = 32;
/** Up to this many rows, a product reads its second matrix unpacked. */
export const ONE_BLOCK = 120;
/** Floats in a block of rows of batch normalization: they stay in the cache for a second pass. */
export const BLOCK_NUMBERS = 16_384;
