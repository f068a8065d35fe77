/**
 * Figures on web pages: a `<figure>` element that shows the value under the pointer, and a page
 * that contains only one figure.
 *
 */
import { createHash } from 'node:crypto';
import type { FigurePoint } from './figure';
import { decimal, escapeXml, tag } from './svg';
import { darkRules, INK, PAPER, type Theme, toDark } from './theme';

/**
 * One script for all figures of a page, including those added later. It shows the point nearest to
 * the pointer; the arrow keys step from point to point. Without the script, the figures are static.
 */
export const hoverScript = `(() => {
  if (window.deependHover) return;
  window.deependHover = true;
  const parsed = new WeakMap();
  const readPoints = (figure) => {
    const text = figure.dataset.points || '[]';
    const known = parsed.get(figure);
    if (known && known.text === text) return known.points;
    const points = JSON.parse(text);
    parsed.set(figure, { text, points });
    return points;
  };
  const findFigure = (event) =>
    event.target instanceof Element ? event.target.closest('figure.deepend-figure') : null;
  const at = new WeakMap();
  const hide = (figure) => {
    figure.querySelectorAll('output,i').forEach((part) => { part.hidden = true; });
  };
  const show = (figure, index) => {
    const [x, y, label] = readPoints(figure)[index];
    const tip = figure.querySelector('output');
    const dot = figure.querySelector('i');
    const svg = figure.querySelector('svg');
    const zoom = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    at.set(figure, index);
    tip.hidden = dot.hidden = false;
    if (tip.textContent !== label) tip.textContent = label;
    dot.style.left = x * zoom + 'px';
    dot.style.top = y * zoom + 'px';
    const room = svg.getBoundingClientRect().width - tip.offsetWidth;
    tip.style.left = Math.max(0, Math.min(room, x * zoom - tip.offsetWidth / 2)) + 'px';
    const above = y * zoom - tip.offsetHeight - 10;
    tip.style.top = (above < 0 ? y * zoom + 12 : above) + 'px';
  };
  const findNearest = (figure, event) => {
    const svg = figure.querySelector('svg');
    const box = svg.getBoundingClientRect();
    const zoom = box.width / svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / zoom;
    const y = (event.clientY - box.top) / zoom;
    let best = -1;
    let least = Number(figure.dataset.reach) ** 2;
    readPoints(figure).forEach(([px, py], i) => {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance >= least) return;
      best = i;
      least = distance;
    });
    return best;
  };
  const follow = (event) => {
    const figure = findFigure(event);
    document.querySelectorAll('figure.deepend-figure').forEach((other) => {
      if (other !== figure) hide(other);
    });
    if (!figure) return;
    const index = findNearest(figure, event);
    if (index < 0) hide(figure); else show(figure, index);
  };
  document.addEventListener('pointermove', follow);
  document.addEventListener('pointerdown', follow);
  document.addEventListener('focusout', (event) => {
    const figure = findFigure(event);
    if (figure) hide(figure);
  });
  document.addEventListener('keydown', (event) => {
    const figure = findFigure(event);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!figure) return;
    if (event.key === 'Escape') return hide(figure);
    const count = readPoints(figure).length;
    if (!step || count === 0) return;
    event.preventDefault();
    const before = at.has(figure) ? at.get(figure) : step > 0 ? -1 : count;
    show(figure, Math.min(count - 1, Math.max(0, before + step)));
  });
})();`;

const F = 'figure.deepend-figure';
const tipColors = (ink: string, paper: string) => `{--ink:${ink};--paper:${paper}}`;
const DARK_TIP = tipColors(toDark(INK), toDark(PAPER));

/** CSS for the figures of a page, once a page: value labels, and dark colours for theme `auto`. */
export const figureStyle = [
  `${F}{position:relative;margin:0;max-width:max-content}`,
  `${F}${tipColors(INK, PAPER)}${F}.dark${DARK_TIP}`,
  `${F} svg{display:block;max-width:100%;height:auto}`,
  `${F} output,${F} i{position:absolute;pointer-events:none}${F} [hidden]{display:none}`,
  [
    `${F} output{padding:2px 7px;border-radius:4px;font:13px/1.5 system-ui,sans-serif`,
    'width:max-content;max-width:90%;overflow-wrap:anywhere;max-height:9em;overflow:hidden',
    'background:var(--ink);color:var(--paper)}',
  ].join(';'),
  `${F} i{width:10px;height:10px;margin:-7px 0 0 -7px;`,
  'border-radius:50%;border:2px solid var(--ink)}',
  `@media (prefers-color-scheme:dark){${F}.auto${DARK_TIP}}`,
  darkRules(),
].join('\n');

interface FigureElement {
  points: readonly FigurePoint[];
  /** Pixels. */
  reach: number;
  theme: Theme;
}

/** Wraps an SVG and the points that the pointer can show in a `<figure>` element. */
export function toFigureElement(svg: string, { points, reach, theme }: FigureElement): string {
  const data = JSON.stringify(
    points.map(({ x, y, label }) => [Number(decimal(x)), Number(decimal(y)), label]),
  );
  const hover = points.length > 0 ? { tabindex: 0, 'data-reach': reach, 'data-points': data } : {};
  const attributes = { class: `deepend-figure ${theme}`, ...hover };
  return tag('figure', attributes, `${svg.trimEnd()}<i hidden></i><output hidden></output>`);
}

const PAGE_STYLE: Record<Theme, string> = {
  light: `:root{color-scheme:light}body{background:${PAPER}}`,
  dark: `:root{color-scheme:dark}body{background:${toDark(PAPER)}}`,
  auto: [
    `:root{color-scheme:light dark}body{background:${PAPER}}`,
    `@media (prefers-color-scheme:dark){body{background:${toDark(PAPER)}}}`,
  ].join(''),
};

/**
 * A page around one figure. Its content security policy allows `hoverScript` and `figureStyle`
 * only, and no request to the network.
 *
 */
export function toPage(figure: string, { title, theme }: { title: string; theme: Theme }): string {
  const style = `${PAGE_STYLE[theme]}body{margin:16px}${figureStyle}`;
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `style-src ${hash(style)}`,
    `script-src ${hash(hoverScript)}`,
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeXml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(Array.from(title).slice(0, 120).join(''))}</title>
<style>${style}</style>
</head>
<body>
${figure}
<script>${hoverScript}</script>
</body>
</html>
`;
}
