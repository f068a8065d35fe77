import { type Figure, plot } from '@deepend/plot';
import type { LrFind } from '@deepend/trainer';

/**
 * Draws the result of `lrFind`: the loss over the learning rate on a logarithmic axis, with the
 * suggestion marked.
 * @example
 * const found = await lrFind(net, trainIter);
 * await plotLrFind(found).save('lr.svg');
 */
export function plotLrFind({ lrs, losses, suggestion }: LrFind): Figure {
  const axes = { xscale: 'log', xlabel: 'learning rate', ylabel: 'loss' } as const;
  if (suggestion === null)
    return plot(lrs, losses, { ...axes, title: 'no suggestion: the loss does not fall' });
  const mark = losses[lrs.indexOf(suggestion)] ?? Number.NaN;
  const legend = ['loss', `suggestion ${suggestion.toPrecision(2)}`];
  return plot([lrs, [suggestion]], [losses, [mark]], { ...axes, legend, fmts: ['-', 'ro'] });
}
