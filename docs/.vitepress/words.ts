/** What the theme itself says, in both languages. */
import type { DefaultTheme } from 'vitepress';
import type { Language } from './pages';

type Texts = Pick<
  DefaultTheme.Config,
  | 'outline'
  | 'docFooter'
  | 'returnToTopLabel'
  | 'sidebarMenuLabel'
  | 'darkModeSwitchLabel'
  | 'lightModeSwitchTitle'
  | 'darkModeSwitchTitle'
  | 'langMenuLabel'
  | 'skipToContentLabel'
  | 'notFound'
>;

export const DESCRIPTION: Readonly<Record<Language, string>> = {
  en: 'Train neural networks in TypeScript as in Dive into Deep Learning',
  zh: '用 TypeScript 像《动手学深度学习》那样训练神经网络',
};

export const TEXTS: Readonly<Record<Language, Texts>> = {
  en: { outline: { level: [2, 3], label: 'On this page' } },
  zh: {
    outline: { level: [2, 3], label: '本页内容' },
    docFooter: { prev: '上一页', next: '下一页' },
    returnToTopLabel: '回到顶部',
    sidebarMenuLabel: '目录',
    darkModeSwitchLabel: '深色',
    lightModeSwitchTitle: '切换到浅色',
    darkModeSwitchTitle: '切换到深色',
    langMenuLabel: '切换语言',
    skipToContentLabel: '跳到正文',
    notFound: {
      title: '没有这个页面',
      quote: '地址可能写错了，或者页面已经移走。',
      linkLabel: '回到首页',
      linkText: '回到首页',
    },
  },
};

/** The search box; English is the theme's own. */
export const SEARCH_ZH: NonNullable<DefaultTheme.LocalSearchOptions['translations']> = {
  button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
  modal: {
    displayDetails: '显示详情',
    resetButtonTitle: '清空',
    backButtonTitle: '返回',
    noResultsText: '没有找到',
    footer: {
      selectText: '打开',
      navigateText: '选择',
      closeText: '关闭',
    },
  },
};
