/**
 * Registers the service worker of a built site: pages stay readable offline, and pages get the
 * headers of cross-origin isolation where the host sends none.
 */
export function keepOffline(): void {
  if (!import.meta.env.PROD || typeof navigator === 'undefined') return;
  if (!('serviceWorker' in navigator)) return; // no https
  const { BASE_URL: base } = import.meta.env;
  void navigator.serviceWorker.register(`${base}offline.js`, { scope: base }).catch(() => {
    // The host refuses it: the site works without.
  });
}
