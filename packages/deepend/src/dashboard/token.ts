/** The token without which the dashboard shows nothing, so that other users cannot open it. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { html } from '../report/html';

/** Cookies are shared by all ports of a host, so the name has the port. */
const cookieName = ({ headers }: IncomingMessage): string =>
  `deepend-${/:(\d+)$/.exec(headers.host ?? '')?.[1] ?? '80'}`;

/** Whether a request has the token: as `?token=`, in the cookie, or as `Authorization: Bearer`. */
export function hasToken(request: IncomingMessage, query: URLSearchParams, token: string): boolean {
  const { authorization = '', cookie = '' } = request.headers;
  const prefix = `${cookieName(request)}=`;
  const stored = cookie.split('; ').find((part) => part.startsWith(prefix));
  return [
    query.get('token'),
    stored?.slice(prefix.length),
    /^Bearer (.+)$/i.exec(authorization)?.[1],
  ].some((given) => typeof given === 'string' && isSame(given, token));
}

/** Compares in a time that tells nothing about the token. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** Keeps the token in a cookie, and leads to the same page without the token in its address. */
export function storeToken(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
): void {
  response.writeHead(303, {
    location: './',
    'set-cookie': `${cookieName(request)}=${token}; Path=/; HttpOnly; SameSite=Lax`,
  });
  response.end();
}

/** Answers a request for the page without the token. */
export function sendTokenPage(response: ServerResponse): void {
  const policy = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
  response.writeHead(401, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
  });
  response.end(TOKEN_PAGE);
}

const TOKEN_PAGE = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>deepend</title>
</head>
<body>
<main>
<h1>deepend dashboard</h1>
<p>Open the address that <code>deepend dashboard</code> printed, or enter its token.</p>
<form action="./" method="get">
<label>Token <input name="token" type="password" autocomplete="off" required autofocus></label>
<button>Open</button>
</form>
</main>
</body>
</html>
`.markup;
