/** Renders an SVG as a PNG before it returns: a notebook's cell may end before a promise does. */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

/**
 * Runs in a thread, since sharp has no synchronous functions. 256 colors halve what is stored in
 * the notebook; the SVG next to it has all.
 */
const RENDER = `
const { createRequire } = require('node:module');
const { workerData } = require('node:worker_threads');
const { from, svg, density, background, port, done } = workerData;
createRequire(from)('sharp')(Buffer.from(svg), { density, unlimited: true })
  .flatten({ background }).png({ palette: true, dither: 0 }).toBuffer()
  .then((png) => port.postMessage(png), () => port.postMessage(null))
  .finally(() => { Atomics.store(done, 0, 1); Atomics.notify(done, 0); });
`;
const LONGEST = 5_000; // milliseconds

/** @returns undefined when sharp does not work here, or takes longer than five seconds */
export function renderPngNow(
  svg: string,
  { density, background }: { density: number; background: string },
): Buffer | undefined {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const from = import.meta.url ?? __filename;
  const worker = new Worker(RENDER, {
    eval: true,
    execArgv: [], // --input-type=module would make it an ES module
    workerData: { from, svg, density, background, port: port2, done },
    transferList: [port2],
  });
  worker.on('error', () => {}); // the picture is shown as SVG then
  worker.unref();
  Atomics.wait(done, 0, 0, LONGEST);
  const png: Uint8Array | null | undefined = receiveMessageOnPort(port1)?.message;
  port1.close();
  void worker.terminate();
  return png ? Buffer.from(png) : undefined;
}
