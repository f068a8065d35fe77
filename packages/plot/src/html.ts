/**
 * A figure on a web page: a figure that shows the value under the pointer, and a page that holds
 * nothing else.
 */
import { createHash } from 'node:crypto';
import type { FigurePoint } from './figure';
import { decimal, escapeXml, tag } from './svg';
import { darkOf, darkRules, INK, PAPER, type Theme } from './theme';

/**
 * One script for all figures of a page, also for those that come later. It looks for the point
 * nearest to the pointer, or goes
 * from point to point by the arrow keys. Without it the figures are still figures.
 */
export const hoverScript = `(() => {
  if (window.deependHover) return;
  window.deependHover = true;
  const parsed = new WeakMap();
  const pointsOf = (figure) => {
    const text = figure.dataset.points || '[]';
    const known = parsed.get(figure);
    if (known && known.text === text) return known.points;
    const points = JSON.parse(text);
    parsed.set(figure, { text, points });
    return points;
  };
  const figureOf = (event) => event.target instanceof Element ? event.target.closest('figure.deepend-figure') : null;
  const at = new WeakMap();
  const hide = (figure) => figure.querySelectorAll('output,i').forEach((part) => { part.hidden = true; });
  const show = (figure, index) => {
    const [x, y, label] = pointsOf(figure)[index];
    const [tip, dot] = [figure.querySelector('output'), figure.querySelector('i')];
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
  const nearest = (figure, event) => {
    const svg = figure.querySelector('svg');
    const box = svg.getBoundingClientRect();
    const zoom = box.width / svg.viewBox.baseVal.width;
    const [x, y] = [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
    let [best, least] = [-1, Number(figure.dataset.reach) ** 2];
    pointsOf(figure).forEach(([px, py], i) => {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    });
    return best;
  };
  const follow = (event) => {
    const figure = figureOf(event);
    document.querySelectorAll('figure.deepend-figure').forEach((other) => { if (other !== figure) hide(other); });
    if (!figure) return;
    const index = nearest(figure, event);
    if (index < 0) hide(figure); else show(figure, index);
  };
  document.addEventListener('pointermove', follow);
  document.addEventListener('pointerdown', follow);
  document.addEventListener('focusout', (event) => { const figure = figureOf(event); if (figure) hide(figure); });
  document.addEventListener('keydown', (event) => {
    const figure = figureOf(event);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!figure) return;
    if (event.key === 'Escape') return hide(figure);
    const count = pointsOf(figure).length;
    if (!step || count === 0) return;
    event.preventDefault();
    const before = at.has(figure) ? at.get(figure) : step > 0 ? -1 : count;
    show(figure, Math.min(count - 1, Math.max(0, before + step)));
  });
})();`;

const F = 'figure.deepend-figure';
const TIP = (ink: string, paper: string) => `{--ink:${ink};--paper:${paper}}`;
const DARK_TIP = TIP(darkOf(INK), darkOf(PAPER));

/**
 * CSS for figures, once a page: what the pointer shows, and the dark theme of figures that follow
 * the reader's.
 */
export const figureStyle = [
  `${F}{position:relative;margin:0;max-width:max-content}${F}${TIP(INK, PAPER)}${F}.dark${DARK_TIP}`,
  `${F} svg{display:block;max-width:100%;height:auto}`,
  `${F} output,${F} i{position:absolute;pointer-events:none}${F} [hidden]{display:none}`,
  `${F} output{padding:2px 7px;border-radius:4px;font:13px/1.5 system-ui,sans-serif;width:max-content;max-width:90%;overflow-wrap:anywhere;max-height:9em;overflow:hidden;background:var(--ink);color:var(--paper)}`,
  `${F} i{width:10px;height:10px;margin:-7px 0 0 -7px;border-radius:50%;border:2px solid var(--ink)}`,
  `@media (prefers-color-scheme:dark){${F}.auto${DARK_TIP}}`,
  darkRules(),
].join('\n');

interface Figure {
  points: readonly FigurePoint[];
  /** Pixels. */
  reach: number;
  theme: Theme;
}

/** The SVG with its points, as one element. */
export function toFigure(svg: string, { points, reach, theme }: Figure): string {
  const data = JSON.stringify(
    points.map(({ x, y, label }) => [Number(decimal(x)), Number(decimal(y)), label]),
  );
  const hover = points.length > 0 ? { tabindex: 0, 'data-reach': reach, 'data-points': data } : {};
  const figure = { class: `deepend-figure ${theme}`, ...hover };
  return tag('figure', figure, `${svg.trimEnd()}<i hidden></i><output hidden></output>`);
}

const PAGE_STYLE: Record<Theme, string> = {
  light: `:root{color-scheme:light}body{background:${PAPER}}`,
  dark: `:root{color-scheme:dark}body{background:${darkOf(PAPER)}}`,
  auto: `:root{color-scheme:light dark}body{background:${PAPER}}@media (prefers-color-scheme:dark){body{background:${darkOf(PAPER)}}}`,
};

/**
 * A whole page around a figure. Its policy lets nothing run but the one script, and nothing be
 * fetched.
 */
export function toPage(figure: string, { title, theme }: { title: string; theme: Theme }): string {
  const style = `${PAGE_STYLE[theme]}body{margin:16px}${figureStyle}`;
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; img-src data:; style-src ${hash(style)}; script-src ${hash(hoverScript)}`;
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
