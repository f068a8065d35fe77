/** What the site does to Markdown beyond VitePress: links out of docs/, and charts within pages. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { MarkdownRenderer } from 'vitepress';
import { siteLink } from './links';
import { DOCS } from './pages';

interface Env {
  /** Of the page, below docs/. */
  readonly relativePath?: string;
}

/** Rewrites links before VitePress looks for dead ones. */
function rewriteLinks(md: MarkdownRenderer): void {
  md.core.ruler.push('deepend-links', (state) => {
    const { relativePath = 'index.md' } = state.env as Env;
    for (const { children } of state.tokens) {
      const closes: boolean[] = []; // per open link, whether it stays one
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const href = siteLink(token.attrGet('href') ?? '', relativePath);
          closes.push(href !== undefined);
          if (href === undefined) toPlain(token);
          else token.attrSet('href', href);
        }
        if (token.type === 'link_close' && closes.pop() === false) toPlain(token);
      }
    }
  });
}

function toPlain(token: { type: string; tag: string; nesting: number; content: string }): void {
  Object.assign(token, { type: 'text', tag: '', nesting: 0, content: '' });
}

/** Puts an SVG into the page, so that it follows the site's theme and its texts are text. */
function inlineCharts(md: MarkdownRenderer): void {
  const image = md.renderer.rules.image;
  md.renderer.rules.image = (tokens, index, options, env: Env, self) => {
    const token = tokens[index];
    const source = token?.attrGet('src') ?? '';
    if (!source.endsWith('.svg') || /^[a-z]+:/.test(source))
      return image?.(tokens, index, options, env, self) ?? '';
    const folder = path.join(DOCS, path.dirname(env.relativePath ?? 'index.md'));
    const svg = readFileSync(path.resolve(folder, decodeURI(source)), 'utf8');
    const label = md.utils.escapeHtml(token?.content ?? '');
    return `<span class="chart" v-pre>${inPage(svg, label)}</span>`;
  };
}

/** An SVG file as a part of the page: of the page's width at most, and in its theme. */
function inPage(svg: string, label: string): string {
  const width = / width="([\d.]+)"/.exec(svg)?.[1] ?? '100%';
  return svg
    .replace(/<\?xml[^>]*>|<style>[\s\S]*?<\/style>/g, '')
    .replace(/<svg[^>]*>/, (root) => {
      const kept = root
        .slice('<svg'.length)
        .replace(/ (?:width|height|class|aria-label)="[^"]*"/g, '');
      return `<svg class="deepend-chart" style="max-width:${width}px" aria-label="${label}"${kept}`;
    })
    .replaceAll('\n', '');
}

/** A heading's anchor as in the repository: `tf.data` → `tfdata`, which links of pages rely on. */
export const slugify = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');

export function extendMarkdown(md: MarkdownRenderer): void {
  rewriteLinks(md);
  inlineCharts(md);
}
