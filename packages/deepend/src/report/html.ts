/** HTML templates that escape all values. */

/** Markup. Only the template below and `trusted` make it, so that no string becomes markup. */
export class Html {
  constructor(readonly markup: string) {}

  toString(): string {
    return this.markup;
  }
}

/**
 * Markup that is known to be whole: a picture's own figure, a style sheet, a script. Never a name
 * or a path.
 */
export const trusted = (markup: string): Html => new Html(markup);

export type Content = Html | string | number | readonly Content[] | false | undefined;

/**
 * A piece of a page. What stands in `${}` is text and escaped, also within a quoted attribute,
 * unless it is `Html`; lists are joined, `false` and
 * `undefined` are nothing.
 * @example
 * html`<td title="${name}">${name}</td>`
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.map((string, i) => string + render(values[i])).join(''));
}

function render(value: Content): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.markup;
  if (Array.isArray(value)) return value.map(render).join('');
  return escapeHtml(String(value));
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/**
 * Controls but tab and line breaks, halves of characters, what is no character, and what turns the
 * direction of the text around a name.
 */
const UNPRINTABLE = /(?![\t\n\r])[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\p{Bidi_Control}]/gu;

/** Text with a replacement character for each that is not to be printed. */
export const printable = (text: string): string => text.replace(UNPRINTABLE, '\uFFFD');

/** Text for a page: printable, and its markup escaped. */
export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
