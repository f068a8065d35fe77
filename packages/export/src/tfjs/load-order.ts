/**
 * Checks whether TensorFlow.js, when it loads a model, makes the calls of a shared layer in the
 * order in which the file numbers them. It makes each call as soon as its inputs exist (tfjs-layers
 * 4.22, Container.fromConfig), so a later call may come before an earlier one, and the model
 * silently computes something else.
 */

type Source = readonly [layer: string, call: number, ...rest: unknown[]];

interface Entry {
  readonly name: string;
  readonly class_name: string;
  readonly config: { readonly layers?: readonly Entry[] };
  readonly inbound_nodes?: readonly (readonly Source[])[];
}

/**
 * The first layer whose calls would be made in another order, also in nested models; undefined
 * where there is none.
 */
export function confusedLayer({
  config: { layers = [] },
}: {
  config: Entry['config'];
}): string | undefined {
  const inside = layers.map(confusedLayer).find((name) => name !== undefined);
  // A Sequential has no shared layers.
  if (inside !== undefined || layers.some(({ inbound_nodes: nodes }) => !nodes)) return inside;
  // An input and a nested model already have one call when they are created.
  const own = ({ class_name: kind, config }: Entry) =>
    kind === 'InputLayer' || config.layers ? 1 : 0;
  const made = new Map(layers.map((layer) => [layer.name, own(layer)]));
  let waiting = layers.map((layer) => ({
    layer,
    calls: (layer.inbound_nodes ?? []).map((sources, i) => ({ sources, place: own(layer) + i })),
  }));
  while (waiting.some(({ calls }) => calls.length > 0)) {
    let count = 0;
    for (const one of waiting) {
      const left: typeof one.calls = [];
      for (const call of one.calls) {
        const place = made.get(one.layer.name) ?? 0;
        const ready = call.sources.every(([name, index]) => (made.get(name) ?? 0) > index);
        if (ready && call.place !== place) return one.layer.name;
        if (ready) made.set(one.layer.name, place + 1);
        else left.push(call);
        count += ready ? 1 : 0;
      }
      one.calls = left;
    }
    if (count === 0) return undefined; // no graph: tfjs itself would say so
    waiting = waiting.filter(({ calls }) => calls.length > 0);
  }
  return undefined;
}
