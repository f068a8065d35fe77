/** What sections of the page are made of. */
import type { Figure } from '@deepend/plot';
import { type Content, type Html, html, trusted } from './html';
import type { Missing } from './missing';

export interface Section {
  /** In the page's address; letters and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly body: Content;
}

/** Says in a section's place why it is not there. */
export const absence = ({ missing, fill }: Missing): Html =>
  html`<p class="missing">Not here: ${missing}. To have it: ${fill}.</p>`;

/**
 * A picture whose values show under the pointer.
 * @param options.dense whether it is full of small text: on a narrow screen it scrolls then, rather
 *   than shrinks @default false
 */
export const chart = (picture: Figure, caption: string, { dense = false } = {}): Html =>
  html`<div class="chart${dense && ' dense'}">${trusted(picture.toHtmlFragment())}<p class="caption">${caption}</p></div>`;

/** Rows from which on a table scrolls in a box of its own. */
const LONG = 40;

export interface Column {
  readonly name: string;
  /** Whether it holds numbers, which stand to the right. */
  readonly numeric?: boolean;
}

/**
 * The first cell of each row names it. Wide tables scroll in their own box, which the keyboard
 * reaches.
 */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Html {
  const kind = (i: number) => (columns[i]?.numeric ? html` class="number"` : undefined);
  const head = columns.map(({ name }, i) => html`<th scope="col"${kind(i)}>${name}</th>`);
  const body = rows.map(
    ([
      name,
      ...cells
    ]) => html`<tr><th scope="row">${name}</th>${cells.map((cell, i) => html`<td${kind(i + 1)}>${cell}</td>`)}</tr>
`,
  );
  const long = rows.length > LONG && ' long';
  return html`<div class="scroll${long}" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

/** Names and what stands for them, such as the device and its hardware. */
export const pairs = (rows: readonly (readonly [name: string, value: Content])[]): Html =>
  html`<dl class="pairs">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;

/** A command for the shell; a line breaks before a flag, not within it. */
export function command(text: string): Html {
  const words = text.split(/ (?=--)/).map((word, i) => html`${i > 0 && ' '}<span>${word}</span>`);
  return html`<pre class="command"><code>${words}</code></pre>`;
}
