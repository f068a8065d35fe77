/** A script of the site that trains in a worker of the page. */
import { withBase } from 'vitepress';
import { h, onBeforeUnmount, type Ref, ref } from 'vue';

interface Session {
  readonly worker: { postMessage(message: unknown): void };
  stop(): void;
}

interface PageModule {
  startWorker(
    script: URL,
    options: { output: HTMLElement | null; onMessage(data: unknown): void },
  ): Session;
}

/**
 * Starts and stops a worker; leaving the page stops it too.
 * @param onMessage gets what the script posts
 */
export function useSession<Answer>(onMessage: (answer: Answer) => void) {
  const output = ref<HTMLElement>();
  const session: Ref<Session | undefined> = ref();

  function stop(): void {
    session.value?.stop();
    session.value = undefined;
  }

  /** @param script a file of docs/public/training, with its query */
  async function start(script: string): Promise<void> {
    stop();
    output.value?.replaceChildren();
    const address = new URL(withBase('/training/page.js'), window.location.href);
    const { startWorker } = (await import(/* @vite-ignore */ address.href)) as PageModule;
    session.value = startWorker(new URL(script, address), {
      output: output.value ?? null,
      onMessage: (data) => onMessage(data as Answer),
    });
  }

  onBeforeUnmount(stop);
  const post = (message: unknown) => session.value?.worker.postMessage(message);
  return { output, session, start, stop, post };
}

export const button = (label: string, onClick: () => void, isOff = false) =>
  h('button', { type: 'button', class: 'train-button', disabled: isOff, onClick }, label);

/** A field for a number of epochs. */
export const epochsField = (label: string, epochs: Ref<number>, max: number) =>
  h('label', [
    `${label} `,
    h('input', {
      ...{ type: 'number', min: 1, max, value: epochs.value },
      onInput: (event: Event) => {
        epochs.value = Number((event.target as HTMLInputElement).value) || 1;
      },
    }),
  ]);
