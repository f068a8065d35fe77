/** Building blocks of the page's sections. */
import type { Figure } from '@deepend/plot';
import type { Unavailable } from '../run/read-run';
import { type Content, type Html, html, trusted } from './html';

export interface Section {
  /** In the page's address; letters and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly body: Content;
}

/** Fills a section that is not available: says why, and what would make it available. */
export const absence = ({ reason, hint }: Unavailable): Html =>
  html`<p class="missing">Not available: ${reason}. To get it: ${hint}.</p>`;

/**
 * A figure that shows values under the pointer.
 * @param options.dense whether it is full of small text; on a narrow screen it then scrolls instead
 *   of shrinking @default false
 */
export const chart = (figure: Figure, caption: string, { dense = false } = {}): Html => {
  const markup = trusted(figure.toHtmlFragment());
  const text = html`<p class="caption">${caption}</p>`;
  return html`<div class="chart${dense && ' dense'}">${markup}${text}</div>`;
};

/** Tables with more rows scroll in their own box. */
const LONG_TABLE = 40;

export interface Column {
  readonly name: string;
  /** Whether it holds numbers, which are aligned to the right. */
  readonly numeric?: boolean;
}

/** The first cell of each row is its heading. A wide table scrolls in its own focusable box. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Content[])[],
): Html {
  const kind = (i: number) => (columns[i]?.numeric ? html` class="number"` : undefined);
  const head = columns.map(({ name }, i) => html`<th scope="col"${kind(i)}>${name}</th>`);
  const body = rows.map(([name, ...cells]) => {
    const rest = cells.map((cell, i) => html`<td${kind(i + 1)}>${cell}</td>`);
    return html`<tr><th scope="row">${name}</th>${rest}</tr>
`;
  });
  const long = rows.length > LONG_TABLE && ' long';
  return html`<div class="scroll${long}" tabindex="0" role="region" aria-label="${caption}">
<table><caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

/** A list of names and values, such as the device and its hardware. */
export const pairs = (rows: readonly (readonly [name: string, value: Content])[]): Html => {
  const items = rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`);
  return html`<dl class="pairs">${items}</dl>`;
};

/** A shell command; lines break before a flag, not within it. */
export function command(text: string): Html {
  const words = text.split(/ (?=--)/).map((word, i) => html`${i > 0 && ' '}<span>${word}</span>`);
  return html`<pre class="command"><code>${words}</code></pre>`;
}
