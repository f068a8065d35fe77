/** HTTP requests through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` describe. */

/** Variables of the proxy for a protocol, in the order in which undici reads them. */
const VARIABLES = {
  'http:': ['http_proxy', 'HTTP_PROXY'],
  'https:': ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'],
} as const;

/** @returns the variable that names a proxy for a URL, or undefined if none does */
function proxyVariable(url: string): string | undefined {
  const { protocol } = new URL(url);
  const names: readonly string[] = protocol === 'http:' ? VARIABLES['http:'] : VARIABLES['https:'];
  return names.find((name) => process.env[name]);
}

/** Names the proxy that requests to a URL may take, for messages: without its password. */
export function describeProxy(url: string): string | undefined {
  const variable = proxyVariable(url);
  if (variable === undefined) return undefined;
  const proxy = (process.env[variable] as string).replace(/\/\/[^@/]*@/, '//');
  return `the proxy ${proxy} of ${variable}`;
}

/**
 * Requests a URL, through a proxy if the environment names one. Node's own `fetch` ignores these
 * variables. undici is loaded only when it is needed.
 * @returns the response, and a function that closes the connections to the proxy
 */
export async function fetchByProxy(
  url: string,
  options: RequestInit,
): Promise<{ response: Response; close: () => Promise<void> }> {
  if (proxyVariable(url) === undefined)
    return { response: await fetch(url, options), close: async () => {} };
  const undici = await import('undici');
  const dispatcher = new undici.EnvHttpProxyAgent();
  const close = () => dispatcher.close().catch(() => {});
  try {
    return { response: await undici.fetch(url, { ...options, dispatcher }), close };
  } catch (error) {
    void close();
    throw error;
  }
}
