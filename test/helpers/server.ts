import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestServer {
  /** Ends in a slash. */
  url: string;
  /** What was asked for: `/name` or, for a part, `/name bytes=5-`. */
  requests: string[];
  close(): Promise<void>;
}

/** A server on this machine, on a free port. */
export async function serve(listener: RequestListener): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push([request.url, request.headers.range].filter(Boolean).join(' '));
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Serves files by name, parts of them too. */
export function fileServer(
  files: ReadonlyMap<string, Buffer>,
  { ranges = true } = {},
): RequestListener {
  return (request, response) => {
    const file = files.get((request.url ?? '').slice(1));
    if (!file) return void response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (!ranges || !request.headers.range) return void response.writeHead(200).end(file);
    if (from >= file.length) return void response.writeHead(416).end();
    response
      .writeHead(206, { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` })
      .end(file.subarray(from));
  };
}
