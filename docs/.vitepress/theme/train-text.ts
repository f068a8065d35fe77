/** The page that trains on text: a language model learns this site's pages, or the reader's text. */
import { useData } from 'vitepress';
import { defineComponent, h, ref } from 'vue';
import { button, epochsField, useSession } from './session';

/** What the page says. */
const WORDS = {
  en: {
    train: 'Train a GRU',
    stop: 'Stop',
    epochs: 'Epochs',
    own: 'A text of your own; without one, the pages of this site',
    prompt: 'Prompt',
    start: 'The model ',
    continue: 'Continue',
    pages: 'pages.txt',
  },
  zh: {
    train: '训练门控循环单元',
    stop: '停止',
    epochs: '迭代周期',
    own: '你自己的文本；不填则使用本网站的页面',
    prompt: '前缀',
    start: '模型',
    continue: '续写',
    pages: 'pages.zh.txt',
  },
} as const;

interface Answer {
  readonly isTrained?: boolean;
  readonly token?: string;
  readonly fault?: string;
}

export const TrainText = defineComponent({
  name: 'TrainText',
  setup() {
    const { lang } = useData();
    const words = WORDS[lang.value.startsWith('zh') ? 'zh' : 'en'];
    const epochs = ref(30);
    const own = ref('');
    const prompt = ref<string>(words.start);
    const continued = ref('');
    const isTrained = ref(false);
    const { output, session, post, ...run } = useSession<Answer>((answer) => {
      if (answer.isTrained) {
        isTrained.value = true;
        generate();
      }
      continued.value += answer.token ?? answer.fault ?? '';
    });

    function start(): void {
      stop();
      void run
        .start(`train-text.js?epochs=${epochs.value}&pages=${words.pages}`)
        .then(() => post({ text: own.value }));
    }

    function stop(): void {
      run.stop();
      isTrained.value = false;
      continued.value = '';
    }

    function generate(): void {
      continued.value = prompt.value;
      post({ prompt: prompt.value });
    }

    const field = (label: string, to: typeof own, tag: 'input' | 'textarea') =>
      h('label', { class: 'train-field' }, [
        label,
        h(tag, {
          value: to.value,
          ...(tag === 'textarea' && { rows: 3 }),
          onInput: (event: Event) => {
            to.value = (event.target as HTMLInputElement).value;
          },
        }),
      ]);

    return () =>
      h('div', { class: 'train-here train-text' }, [
        field(words.own, own, 'textarea'),
        h('p', [
          epochsField(words.epochs, epochs, 200),
          button(words.train, start),
          button(words.stop, stop, !session.value),
        ]),
        h('div', { ref: output, class: 'train-output', 'aria-live': 'polite' }),
        h('div', { hidden: !isTrained.value }, [
          field(words.prompt, prompt, 'input'),
          button(words.continue, generate),
          h('p', { class: 'train-continued', 'aria-live': 'polite' }, continued.value),
        ]),
      ]);
  },
});
