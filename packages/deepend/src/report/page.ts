/** The page around the sections: one file that requests nothing from the network. */
import { createHash } from 'node:crypto';
import { figureStyle, hoverScript } from '@deepend/plot';
import { type Content, html, trusted } from './html';
import { pageStyle } from './page-style';
import type { Section } from './parts';

export interface Page {
  readonly title: string;
  /** The content below the title. */
  readonly lead: Content;
  readonly sections: readonly Section[];
  readonly foot: Content;
}

/** The whole file. Its policy allows only the script of the charts, and no requests. */
export function renderPage({ title, lead, sections, foot }: Page): string {
  const sum = createHash('sha256').update(hoverScript).digest('base64');
  const policy = [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    `script-src 'sha256-${sum}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const contents = sections.map(
    ({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`,
  );
  const bodies = sections.map(
    ({ id, title: name, body }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${name}</h2>
${body}
</section>
`,
  );
  return `${html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>
${trusted(figureStyle)}
${trusted(pageStyle)}
</style>
</head>
<body>
<header>
<h1>${title}</h1>
${lead}
</header>
<nav aria-label="Contents"><h2>Contents</h2><ol>${contents}</ol></nav>
<main>
${bodies}</main>
<footer>${foot}</footer>
<script>${trusted(hoverScript)}</script>
</body>
</html>
`}`;
}
