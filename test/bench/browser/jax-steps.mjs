/**
 * Training steps of jax-js on its WebAssembly backend: the net of train-steps.ts, its loss and its
 * optimizer, as one compiled function.
 */
import { defaultDevice, init, jit, lax, nn, numpy as np, random, valueAndGrad } from '@jax-js/jax';

const BATCH = 64;

/** The mean cross-entropy. `x`: [batch, 1, 28, 28]; `y`: one-hot [batch, 10] */
function loss({ k1, b1, k2, b2, w, b }, x, y) {
  const same = [
    [1, 1],
    [1, 1],
  ];
  // [batch, channels, height, width]; faster here than lax.reduceWindow
  const pool = (images) => {
    const [batch, channels, height, width] = images.shape;
    return np.max(images.reshape([batch, channels, height / 2, 2, width / 2, 2]), [3, 5]);
  };
  let h = lax.conv(x, k1, [1, 1], same).add(b1);
  h = pool(nn.relu(h)); // [batch, 16, 14, 14]
  h = lax.conv(h, k2, [1, 1], same).add(b2);
  h = pool(nn.relu(h)); // [batch, 32, 7, 7]
  const logits = np.matmul(h.reshape([BATCH, 32 * 7 * 7]), w).add(b);
  return nn
    .logSoftmax(logits)
    .mul(y)
    .sum()
    .mul(-1 / BATCH);
}

const update = jit((weights, x, y) => {
  const kept = Object.fromEntries(
    Object.entries(weights).map(([name, value]) => [name, value.ref]),
  );
  const [value, gradients] = valueAndGrad(loss)(kept, x, y);
  const moved = Object.entries(weights).map(([name, weight]) => [
    name,
    weight.sub(gradients[name].mul(0.01)),
  ]);
  return [value, Object.fromEntries(moved)];
});

/** @returns a function that trains for about so many seconds and gives the samples per second */
export async function startSteps() {
  await init('wasm');
  defaultDevice('wasm');
  const normal = (shape, scale) => random.normal(random.key(1), shape).mul(scale);
  let weights = {
    k1: normal([16, 1, 3, 3], 0.3),
    b1: np.zeros([16, 1, 1]),
    k2: normal([32, 16, 3, 3], 0.1),
    b2: np.zeros([32, 1, 1]),
    w: normal([32 * 7 * 7, 10], 0.03),
    b: np.zeros([10]),
  };
  const x = random.uniform(random.key(2), [BATCH, 1, 28, 28]);
  const classes = Int32Array.from({ length: BATCH }, (_, i) => (7 * i + 3) % 10);
  const y = nn.oneHot(np.array(classes, { dtype: np.int32 }), 10);
  const step = async () => {
    const [value, moved] = update(weights, x.ref, y.ref);
    weights = moved;
    return (await value.data())[0];
  };
  const losses = [];
  for (let i = 0; i < 3; i++) losses.push(await step()); // compiles
  if (!(losses[2] < losses[0])) throw new Error(`jax-js does not learn: losses ${losses}`);
  return async (seconds) => {
    const start = performance.now();
    const end = start + 1000 * seconds;
    let count = 0;
    while (performance.now() < end) {
      await step();
      count++;
    }
    return (1000 * BATCH * count) / (performance.now() - start);
  };
}
