/**
 * The service worker of the site. A page comes from the network, and from the cache without one; a
 * file under assets/ has its hash in its name and comes from the cache first. The list of all pages
 * is fetched after the first load, so that the site works offline from then on.
 */
const CACHE = 'deepend-site';
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** The answer with the headers that make its page cross-origin isolated. */
function isolated(response) {
  if (response.status === 0 || response.redirected) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

async function fromNetwork(cache, request) {
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const known = () => cache.match(request, { ignoreSearch: true });
  if (new URL(request.url).pathname.includes('/assets/'))
    return (await known()) ?? fromNetwork(cache, request);
  try {
    return await fromNetwork(cache, request);
  } catch (error) {
    const kept = await known();
    if (kept) return kept;
    throw error;
  }
}

/** Fetches what is not kept yet, and forgets files of earlier builds. */
async function keepAll() {
  const cache = await caches.open(CACHE);
  const scope = self.registration.scope;
  const list = await fetch(new URL('offline.json', scope)).then((response) => response.json());
  const wanted = new Set(list.map((file) => new URL(file, scope).href));
  const kept = new Set((await cache.keys()).map(({ url }) => url));
  for (const url of kept) if (!wanted.has(url) && url.includes('/assets/')) await cache.delete(url);
  for (const url of wanted) if (!kept.has(url)) await cache.add(url).catch(() => {});
}

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) =>
  event.waitUntil(self.clients.claim().then(() => keepAll())),
);
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const isOwn = new URL(request.url).origin === self.location.origin;
  if (request.method === 'GET' && isOwn) event.respondWith(answer(request).then(isolated));
});
