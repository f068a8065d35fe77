/** Shapes of two classes in place of clothes, so that scenes need no Fashion-MNIST. */
import type { Dataset } from '@deepend/data';

const SIDE = 14;

/** Disks with a dark hole and bars, four of each, of different sizes. */
export function smallClothes(): Dataset {
  const images = new Uint8Array(8 * SIDE * SIDE);
  for (let i = 0; i < 8; i++) {
    const radius = 3 + (i % 4);
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const [x, y] = [column - 6.5, row - 6.5];
        const distance = Math.hypot(x, y);
        const isInside = i < 4 ? distance <= radius && distance > 1 : Math.abs(x) < radius / 2;
        if (isInside) images[(i * SIDE + row) * SIDE + column] = 100 + 15 * i;
      }
    }
  }
  return {
    images,
    labels: Uint8Array.from({ length: 8 }, (_, i) => (i < 4 ? 0 : 1)),
    imageShape: [SIDE, SIDE, 1],
    classNames: ['disk', 'bar'],
  };
}
