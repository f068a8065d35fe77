/** The docs site: `npm run docs` serves it, `npm run docs:build` writes it to docs/.vitepress/dist. */
import type { ServerResponse } from 'node:http';
import { defineConfig } from 'vitepress';
import { DARK } from '../../packages/plot/src/theme';
import { checkAnchors } from './anchors';
import { extendMarkdown, slugify } from './markdown';
import { writeOfflineList } from './offline-list';
import { type Language, navOf, sidebarOf } from './pages';
import { tokenize } from './search';
import { DESCRIPTION, SEARCH_ZH, TEXTS } from './words';

const locale = (language: Language) => ({
  lang: language === 'zh' ? 'zh-CN' : 'en',
  label: language === 'zh' ? '简体中文' : 'English',
  description: DESCRIPTION[language],
  themeConfig: { nav: navOf(language), sidebar: sidebarOf(language), ...TEXTS[language] },
});

/** Turns the charts dark, in the colours of `@deepend/plot`. */
const DARK_CHARTS = Object.entries(DARK)
  .flatMap(([light, dark]) =>
    ['fill', 'stroke'].map(
      (name) => `.dark .deepend-chart [${name}="${light}" i]{${name}:${dark}}`,
    ),
  )
  .join('');

/** In development, as a service worker does on a host: the page that trains uses threads. */
const isolation = {
  name: 'isolation',
  configureServer({ middlewares }: { middlewares: { use(handle: Handle): void } }) {
    middlewares.use((_, response, next) => {
      response.setHeader('cross-origin-opener-policy', 'same-origin');
      response.setHeader('cross-origin-embedder-policy', 'require-corp');
      next();
    });
  },
};

type Handle = (request: unknown, response: ServerResponse, next: () => void) => void;

export default defineConfig({
  title: 'deepend',
  head: [['style', {}, DARK_CHARTS]],
  transformHead: ({ siteData: { base } }) => [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}icon.svg` }],
  ],
  // A page of the reference has hundreds of headings within its names.
  transformPageData: ({ relativePath }) =>
    relativePath.startsWith('reference/') ? { frontmatter: { outline: 2 } } : undefined,
  buildEnd: ({ outDir, site }) => {
    checkAnchors(outDir, site.base);
    writeOfflineList(outDir);
  },
  vite: { plugins: [isolation] },
  locales: { root: locale('en'), zh: locale('zh') },
  srcExclude: ['results/**'],
  markdown: {
    config: extendMarkdown,
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    i18nRouting: true,
    search: {
      provider: 'local',
      options: {
        locales: { zh: { translations: SEARCH_ZH } },
        miniSearch: { options: { tokenize } },
      },
    },
  },
});
