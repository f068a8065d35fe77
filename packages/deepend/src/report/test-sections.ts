/** Sections from the evaluation on the test set: classes, confusions, worst examples. */
import { plotConfusionMatrix } from '@deepend/plot';
import { isUnavailable, type Unavailable } from '../run/read-run';
import type { Evaluated } from './evaluation';
import { formatCount, formatFixed, formatPercent, plural } from './format';
import { type Html, html, printable } from './html';
import { absence, chart, type Section, table } from './parts';
import { sampleImage } from './sample-image';

/** The results of the evaluation, and which model it was. */
export interface Tested extends Evaluated {
  readonly modelFrom: string;
  /** Such as `cpu (simd)`. */
  readonly device: string;
  /** The test accuracy of the run's last epoch. */
  readonly before: number | null;
}

/** Rows of the table of classes. */
const MAX_CLASSES = 200;
/** Classes up to which the confusion matrix is drawn, and shown as a table. */
const MAX_DRAWN = 100;
const MAX_TABLE = 30;

export function testSections(tested: Tested | Unavailable): Section[] {
  const parts: readonly (readonly [id: string, title: string, body: (tested: Tested) => Html])[] = [
    ['classes', 'Classes', classesBody],
    ['confusion', 'Confusion matrix', confusionBody],
    ['confused', 'Most confused pairs', confusedBody],
    ['worst', 'Worst examples', worstBody],
  ];
  return parts.map(([id, title, body]) => ({
    id,
    title,
    body: isUnavailable(tested) ? absence(tested) : body(tested),
  }));
}

/** What a sample is called, and what the figures of classes count. */
function wordsFor({ example, worst }: Tested): readonly [one: string, counted: string] {
  const one = !example || example.shape.length === 3 ? 'image' : 'sample';
  return [one, worst ? `${one}s` : 'positions'];
}

function classesBody(tested: Tested): Html {
  const { classes, classNames, modelFrom, accuracy, loss, lossName } = tested;
  const { numSamples, device, before } = tested;
  const [one, counted] = wordsFor(tested);
  const by = lossName ? ` (${lossName})` : '';
  const other = before !== null && Math.abs(before - accuracy) > 5e-4;
  const rows = classes.map((report, i) => ({ ...report, name: classNames[i] as string }));
  const listed =
    rows.length > MAX_CLASSES ? [...rows].sort((a, b) => a.f1 - b.f1).slice(0, MAX_CLASSES) : rows;
  const figures = listed.map(({ name, precision, recall, f1, support }) => [
    name,
    formatFixed(precision),
    formatFixed(recall),
    formatFixed(f1),
    formatCount(support),
  ]);
  const numeric = ['precision', 'recall', 'F1', counted].map((name) => ({ name, numeric: true }));
  return html`<p>Evaluated for this page on ${plural(numSamples, `test ${one}`)}, by ${modelFrom},
on ${device}: loss ${formatFixed(loss)}${by}, test acc ${formatFixed(accuracy)}.
${
  other && `The last epoch of the run had ${formatFixed(before)}: other weights, or other ${one}s.`
}</p>
<p>Precision: the fraction of the ${counted} predicted as this class that belong to it. Recall: the
fraction of the ${counted} of this class that are predicted as it. F1: their harmonic mean.
${
  listed.length < rows.length &&
  `The ${MAX_CLASSES} of the ${formatCount(rows.length)} classes with the lowest F1.`
}</p>
${table('Figures of each class', [{ name: 'class' }, ...numeric], figures)}`;
}

function confusionBody(tested: Tested): Html {
  const { counts, classNames } = tested;
  const [, counted] = wordsFor(tested);
  const numeric = classNames.map((name) => ({ name, numeric: true }));
  const rows = counts.map((row, i) => [classNames[i] as string, ...row.map(formatCount)]);
  const numbers = table(
    `Counts of ${counted}: true class (rows) by predicted class (columns)`,
    [{ name: 'true class' }, ...numeric],
    rows,
  );
  if (counts.length > MAX_DRAWN)
    return html`<p>Not drawn: there are ${formatCount(counts.length)} classes, and a figure shows at
most ${MAX_DRAWN}. The pairs below are the largest cells.</p>`;
  const caption = 'Counts, coloured by their fraction of the true class. The diagonal is correct.';
  const figure = plotConfusionMatrix(counts, {
    classNames: classNames.map(printable),
    width: counts.length > 12 ? 760 : 620,
  });
  const asTable =
    counts.length <= MAX_TABLE &&
    html`<details><summary>The matrix as a table</summary>${numbers}</details>`;
  return html`${chart(figure, caption, { dense: true })}${asTable}`;
}

function confusedBody(tested: Tested): Html {
  const { confused } = tested;
  if (confused.length === 0) return html`<p>None: every prediction is correct.</p>`;
  const columns = [
    { name: 'true class' },
    { name: 'predicted as' },
    { name: wordsFor(tested)[1], numeric: true },
    { name: 'of the class', numeric: true },
  ];
  return table(
    'Most confused pairs of classes',
    columns,
    confused.map((pair) => [
      pair.truth,
      pair.predicted,
      formatCount(pair.count),
      formatPercent(pair.fraction),
    ]),
  );
}

function worstBody(tested: Tested): Html {
  const { worst, classNames } = tested;
  if (!worst)
    return absence({
      reason: 'the model gives more than one class a sample',
      hint: 'find single positions with predict(); the figures above count every one',
    });
  const [one] = wordsFor(tested);
  if (worst.length === 0) return html`<p>None were requested.</p>`;
  const name = (index: number) => classNames[index] ?? `class ${index}`;
  const shown = worst.map((sample) => ({
    ...sample,
    picture: sample.image && sampleImage(sample.image),
  }));
  const figures = shown.map(({ index, truth, predicted, loss, picture, image }) => {
    const classes = html`<bdi>${name(truth)}</bdi> → <bdi>${name(predicted)}</bdi>`;
    const alt = `Test ${one} ${index}: ${name(truth)}, predicted ${name(predicted)}`;
    const size = picture && html`width="${picture.width}" height="${picture.height}"`;
    const shownImage = picture
      ? html`<img src="${picture.uri}" ${size} alt="${alt}">`
      : html`<div class="no-picture">no picture of ${image?.shape.join(' × ')} numbers</div>`;
    const mark = truth === predicted ? 'right' : 'wrong';
    const figures = `loss ${formatFixed(loss, 2)}, no. ${formatCount(index)}`;
    const caption = html`<span class="${mark}">${classes}</span> ${figures}`;
    return html`<figure class="example">${shownImage}<figcaption>${caption}</figcaption></figure>
`;
  });
  const stretched =
    shown.some(({ picture }) => picture?.stretched) &&
    'Where values are outside 0 to 1, the lowest is drawn black and the highest white.';
  return html`<p>The ${plural(worst.length, `test ${one}`)} with the largest cross-entropy: true
class → predicted class, loss, index in the test set. ${stretched}</p>
<div class="examples">${figures}</div>`;
}
