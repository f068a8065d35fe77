/**
 * Runs' folders as saveRun leaves them, without a training, and a dashboard's news, for its tests.
 */
import http from 'node:http';
import path from 'node:path';
import fs from 'fs-extra';

export interface FakeRun {
  epochs?: number;
  numEpochs?: number;
  config?: object;
  /** Lines of steps.jsonl. */
  steps?: object[];
  finished?: object | boolean;
  /** Milliseconds since its files were written. */
  ago?: number;
}

export const epochLine = (epoch: number) => {
  const loss = 2.3 / (epoch + 1);
  return {
    epoch,
    loss,
    trainAcc: 1 - loss / 2.5,
    testAcc: 1 - loss / 2.4,
    testLoss: loss,
    lr: 0.1,
    seconds: 2,
    samplesPerSecond: 1000 + epoch,
    samplesPerSecondWithLoading: 900,
  };
};
export const stepLine = (epoch: number, step: number) => ({
  epoch,
  step,
  numBatches: 10,
  globalStep: 10 * (epoch - 1) + step,
  loss: 1.5 / epoch,
  trainAcc: 0.5,
  samplesPerSecond: 950,
  time: new Date().toISOString(),
});
export const jsonl = (lines: readonly object[]) =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('');

/** Writes a run's folder. */
export async function fakeRun(folder: string, run: FakeRun = {}): Promise<void> {
  const { epochs = 2, numEpochs = 5, config = {}, steps = [], finished = false, ago = 0 } = run;
  const at = (name: string) => path.join(folder, name);
  const settings = {
    model: 'book/lenet',
    data: 'fashion-mnist',
    epochs: numEpochs,
    lr: 0.1,
    batchSize: 32,
  };
  await fs.outputJson(at('config.json'), {
    model: 'book/lenet',
    device: 'cpu',
    numEpochs,
    settings,
    ...config,
  });
  const history = Array.from({ length: epochs }, (_, i) => epochLine(i + 1));
  if (epochs > 0) await fs.writeFile(at('history.jsonl'), jsonl(history));
  if (steps.length > 0) await fs.writeFile(at('steps.jsonl'), jsonl(steps));
  if (finished)
    await fs.writeJson(
      at('result.json'),
      finished === true ? { epochs, samplesPerSecond: 1000 } : finished,
    );
  const then = new Date(Date.now() - ago);
  for (const name of await fs.readdir(folder)) await fs.utimes(at(name), then, then);
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** The header that a request with the address's token has. */
export const tokenHeader = (url: string) => ({
  authorization: `Bearer ${new URL(url).searchParams.get('token')}`,
});

/** Asks for a path as it stands, without a client's tidying of `..` and the like. */
export function ask(
  url: string,
  asked: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        hostname,
        port,
        path: asked,
        agent: false,
        ...options,
        headers: { ...tokenHeader(url), ...options.headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on('error', reject);
    request.end();
  });
}

export interface Heard {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks at
  readonly data: any;
}

/** The dashboard's news, event by event. Leaving the loop closes the connection. */
export async function* news(url: string): AsyncGenerator<Heard> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http
      .get(new URL('news', url), { agent: false, headers: tokenHeader(url) }, resolve)
      .on('error', reject);
  });
  let text = '';
  try {
    for await (const chunk of response) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (event && data) yield { event, data: JSON.parse(data) };
      }
    }
  } finally {
    response.destroy();
  }
}

/** The first news of runs that pass. */
export async function heard(
  url: string,
  passes: (data: Heard['data']) => boolean = () => true,
): Promise<Heard['data']> {
  for await (const { event, data } of news(url)) if (event === 'runs' && passes(data)) return data;
  throw new Error('the news ended');
}
