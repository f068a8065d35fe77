/** What the test of the site runs within its pages. Each function uses nothing outside itself. */

export const isMounted = () => document.querySelector('#app')?.children.length > 0;

/** By how many pixels the page is wider than the window. */
export const overflow = () => document.documentElement.scrollWidth - window.innerWidth;

export const focused = () => document.activeElement?.textContent?.trim();

export const isSearchClosed = () => !document.querySelector('.VPLocalSearchBox');

/** Whether the service worker keeps every file of the site. */
export async function isAllKept() {
  const { active } = await navigator.serviceWorker.ready;
  const files = await (await fetch('offline.json')).json();
  const kept = await (await caches.open('deepend-site')).keys();
  return active?.state === 'activated' && kept.length >= files.length;
}

/** Adds a paragraph in a colour. */
export function addPale(color) {
  const pale = document.createElement('p');
  pale.textContent = 'pale';
  pale.style.color = color;
  document.querySelector('.vp-doc')?.append(pale);
}

/**
 * Texts whose contrast to their background is below 4.5, or below 3 where they are large: WCAG 2.2,
 * 1.4.3.
 */
export function lowContrast() {
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const isDark = document.documentElement.classList.contains('dark');
  /** The colours behind an element, laid over each other. */
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement)
      layers.unshift(parse(getComputedStyle(at).backgroundColor));
    return layers.reduce(
      (under, [r, g, b, alpha = 1]) =>
        [r, g, b].map((over, i) => over * alpha + under[i] * (1 - alpha)),
      isDark ? [27, 27, 31] : [255, 255, 255],
    );
  };
  const texts = document.querySelectorAll('h1, h2, h3, p, li, a, td, th, code span, button');
  const found = Array.from(texts).flatMap((element) => {
    const text = element.textContent?.trim() ?? '';
    const style = getComputedStyle(element);
    const isHidden =
      element.getBoundingClientRect().width < 2 ||
      style.visibility === 'hidden' ||
      style.opacity === '0';
    if (!text || isHidden || element.closest('svg')) return [];
    const [low, high] = [luminance(parse(style.color)), luminance(behind(element))].sort(
      (a, b) => a - b,
    );
    const ratio = (high + 0.05) / (low + 0.05);
    const least = Number.parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    return ratio < least
      ? [`${ratio.toFixed(2)} ${style.color} ${element.tagName} ${text.slice(0, 30)}`]
      : [];
  });
  return [...new Set(found)];
}
