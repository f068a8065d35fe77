/** Sections that the test set fills: classes, confusions, worst examples. */
import { plotConfusionMatrix } from '@deepend/plot';
import type { Evaluated } from './evaluation';
import { type Html, html, printable } from './html';
import { isMissing, type Missing } from './missing';
import { absence, chart, type Section, table } from './parts';
import { sampleImage } from './pictures';
import { count, figure, percent, some } from './words';

/** The pass over the test set, and whose net it was. */
export interface Tested extends Evaluated {
  readonly netFrom: string;
  /** Such as `cpu: simd`. */
  readonly device: string;
  /** The run's own last accuracy. */
  readonly before: number | null;
}

/** Rows of the table of classes; more would be a list that nobody reads. */
const MOST_CLASSES = 200;
/** Classes on a side of the picture, and of the table, of the confusion matrix. */
const [MOST_CELLS, MOST_COLUMNS] = [100, 30];

export function testSections(tested: Tested | Missing): Section[] {
  const parts: readonly (readonly [id: string, title: string, body: (tested: Tested) => Html])[] = [
    ['classes', 'Classes', classesBody],
    ['confusion', 'Confusion matrix', confusionBody],
    ['confused', 'Most confused pairs', confusedBody],
    ['worst', 'Worst examples', worstBody],
  ];
  return parts.map(([id, title, body]) => ({
    id,
    title,
    body: isMissing(tested) ? absence(tested) : body(tested),
  }));
}

function classesBody(tested: Tested): Html {
  const { classes, classNames, netFrom, accuracy, loss, numSamples, device, before } = tested;
  const other = before !== null && Math.abs(before - accuracy) > 5e-4;
  const rows = classes.map((report, i) => ({ ...report, name: classNames[i] as string }));
  const listed =
    rows.length > MOST_CLASSES
      ? [...rows].sort((a, b) => a.f1 - b.f1).slice(0, MOST_CLASSES)
      : rows;
  const figures = listed.map(({ name, precision, recall, f1, support }) => [
    name,
    figure(precision),
    figure(recall),
    figure(f1),
    count(support),
  ]);
  const numeric = ['precision', 'recall', 'F1', 'images'].map((name) => ({ name, numeric: true }));
  return html`<p>Evaluated for this page on ${some(numSamples, 'test image')}, by ${netFrom}, on ${device}: loss ${figure(loss)}, test acc ${figure(accuracy)}.
${other && `The run's own last figure was ${figure(before)}: of another epoch, or of other images.`}</p>
<p>Precision: of the images that the net calls this class, the share that is. Recall: of the images of this class, the share that it finds. F1: their harmonic mean.
${listed.length < rows.length && `The ${MOST_CLASSES} of the ${count(rows.length)} classes with the lowest F1.`}</p>
${table('Figures of each class', [{ name: 'class' }, ...numeric], figures)}`;
}

function confusionBody({ counts, classNames }: Tested): Html {
  const numeric = classNames.map((name) => ({ name, numeric: true }));
  const rows = counts.map((row, i) => [classNames[i] as string, ...row.map(count)]);
  const numbers = table(
    'Images of each true class (rows) by predicted class (columns)',
    [{ name: 'true class' }, ...numeric],
    rows,
  );
  if (counts.length > MOST_CELLS)
    return html`<p>Not drawn: ${count(counts.length)} classes are more than the ${MOST_CELLS} that a picture shows. The pairs below are its largest cells.</p>`;
  const caption =
    'Counts, coloured by their share of the true class; the diagonal is what is right.';
  const picture = chart(
    plotConfusionMatrix(counts, {
      classNames: classNames.map(printable),
      width: counts.length > 12 ? 760 : 620,
    }),
    caption,
    {
      dense: true,
    },
  );
  return html`${picture}${counts.length <= MOST_COLUMNS && html`<details><summary>The matrix as a table</summary>${numbers}</details>`}`;
}

function confusedBody({ confused }: Tested): Html {
  if (confused.length === 0) return html`<p>None: every test image is right.</p>`;
  const columns = [
    { name: 'true class' },
    { name: 'taken for' },
    { name: 'images', numeric: true },
    { name: 'of the class', numeric: true },
  ];
  return table(
    'Most confused pairs of classes',
    columns,
    confused.map((pair) => [pair.truth, pair.predicted, count(pair.count), percent(pair.share)]),
  );
}

function worstBody({ worst, classNames }: Tested): Html {
  if (worst.length === 0) return html`<p>None were asked for.</p>`;
  const name = (index: number) => classNames[index] ?? `class ${index}`;
  const shown = worst.map((sample) => ({
    ...sample,
    picture: sample.image && sampleImage(sample.image),
  }));
  const figures = shown.map(({ index, truth, predicted, loss, picture }) => {
    const says = html`<bdi>${name(truth)}</bdi> → <bdi>${name(predicted)}</bdi>`;
    const image = picture
      ? html`<img src="${picture.uri}" width="${picture.width}" height="${picture.height}" alt="Test image ${index}: ${name(truth)}, predicted ${name(predicted)}">`
      : html`<div class="no-picture">no picture: [${shown[0]?.image?.shape.join(', ')}]</div>`;
    const wrong = truth === predicted ? 'right' : 'wrong';
    return html`<figure class="example">${image}<figcaption><span class="${wrong}">${says}</span> loss ${figure(loss, 2)}, no. ${count(index)}</figcaption></figure>
`;
  });
  return html`<p>The ${some(worst.length, 'test image')} with the largest loss: true class → predicted class, its loss, its place in the test set from 0.
${shown.some(({ picture }) => picture?.stretched) && 'Where values lie outside 0 to 1, the darkest is drawn black and the lightest white.'}</p>
<div class="examples">${figures}</div>`;
}
