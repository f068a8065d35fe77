/**
 * The dashboard's server: which requests are answered at all, and the headers that every answer
 * has.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Asked, type Dashboarding, Refusal, ROUTES } from './routes';
import { hasToken, sendTokenPage, storeToken } from './token';

const LONGEST_URL = 16 * 1024; // characters

/**
 * Host names of this machine, with any port, since a tunnel may use another one. A name that an
 * attacker's DNS resolves to this machine is not among them.
 */
const OWN_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;

const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

export function makeServer(own: Dashboarding): Server {
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    answer(request, response, own).catch((error: unknown) => refuse(response, error));
  });
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  own: Dashboarding,
): Promise<void> {
  const { headers, method, url = '/' } = request;
  if (!OWN_HOST.test(headers.host ?? ''))
    throw new Refusal(403, 'the dashboard answers only to 127.0.0.1 and localhost');
  if (method !== 'GET') throw new Refusal(405, 'the dashboard can only be read');
  if (url.length > LONGEST_URL) throw new Refusal(414, 'the address is too long');
  const asked = parse(url);
  const [first = ''] = asked.names;
  if (!isOwnPage(request, first === ''))
    throw new Refusal(403, 'another page may not ask the dashboard');
  if (!hasToken(request, asked.query, own.token)) {
    if (first === '') return sendTokenPage(response);
    throw new Refusal(401, 'open the address that deepend dashboard printed: it has a token');
  }
  if (first === '' && asked.query.has('token')) return storeToken(request, response, own.token);
  const route = Object.hasOwn(ROUTES, first) ? ROUTES[first] : undefined;
  if (!route || (first !== 'files' && asked.names.length > 1))
    throw new Refusal(404, 'there is no such page');
  await route(response, asked, own);
}

/**
 * Other sites' pages may open the dashboard, as a link does, and not take anything from it. Who is
 * no browser says nothing of this.
 */
function isOwnPage({ headers }: IncomingMessage, isPage: boolean): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return true;
  return (
    isPage && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  );
}

/** Names are decoded one by one: an encoded slash parts none. */
function parse(url: string): Asked {
  const [path = '', ...rest] = url.split('?');
  try {
    const names = path.replace(/^\//, '').split('/').map(decodeURIComponent);
    if (names.every((name) => !name.includes('/')))
      return { names, query: new URLSearchParams(rest.join('?')) };
  } catch {
    throw new Refusal(400, 'the address cannot be decoded');
  }
  throw new Refusal(404, 'there is no such page');
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, message } =
    error instanceof Refusal ? error : { status: 500, message: 'this went wrong in the dashboard' };
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...(status === 405 && { allow: 'GET' }),
  });
  response.end(`${message}\n`);
}
