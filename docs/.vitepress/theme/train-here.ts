/** The page that trains: a net learns in a worker, and classifies what the reader draws. */
import { useData } from 'vitepress';
import { defineComponent, h, ref } from 'vue';
import { button, epochsField, useSession } from './session';

/** What the page says. */
const WORDS = {
  en: {
    train: 'Train LeNet',
    stop: 'Stop',
    epochs: 'Epochs',
    download: 'Download the model',
    clear: 'Clear',
    draw: 'Draw a piece of clothing',
  },
  zh: {
    train: '训练 LeNet',
    stop: '停止',
    epochs: '迭代周期',
    download: '下载模型',
    clear: '清除',
    draw: '画一件衣服',
  },
} as const;

const SIDE = 28; // pixels of an image
const ZOOM = 8; // of the canvas
const MOST = 3; // classes that are listed

interface Answer {
  readonly classNames?: readonly string[];
  readonly probabilities?: readonly number[];
}

/** The canvas as `[28, 28]` numbers from 0 to 1: the mean of each square. */
function pixelsOf(canvas: HTMLCanvasElement): Float32Array {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const { data } = context.getImageData(0, 0, SIDE * ZOOM, SIDE * ZOOM);
  const pixels = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < data.length / 4; i++) {
    const row = Math.floor(i / (SIDE * ZOOM) / ZOOM);
    const column = Math.floor((i % (SIDE * ZOOM)) / ZOOM);
    const at = row * SIDE + column;
    pixels[at] = (pixels[at] ?? 0) + (data[4 * i] ?? 0) / 255 / ZOOM ** 2;
  }
  return pixels;
}

export const TrainHere = defineComponent({
  name: 'TrainHere',
  setup() {
    const { lang } = useData();
    const words = () => WORDS[lang.value.startsWith('zh') ? 'zh' : 'en'];
    const epochs = ref(9);
    const isTrained = ref(false);
    const guesses = ref<string[]>([]);
    const canvas = ref<HTMLCanvasElement>();
    let classNames: readonly string[] = [];
    const { output, session, post, ...run } = useSession<Answer>(onMessage);

    function onMessage(answer: Answer): void {
      if (answer.classNames) {
        classNames = answer.classNames;
        isTrained.value = true;
      }
      guesses.value = (answer.probabilities ?? [])
        .map((probability, i) => ({ probability, name: classNames[i] ?? '' }))
        .sort((a, b) => b.probability - a.probability)
        .slice(0, MOST)
        .map(({ name, probability }) => `${name} ${(100 * probability).toFixed(0)} %`);
    }

    function start(): void {
      stop();
      void run.start(`train.js?epochs=${epochs.value}`);
    }

    function stop(): void {
      run.stop();
      isTrained.value = false;
      guesses.value = [];
    }

    function paint(event: PointerEvent): void {
      const context = canvas.value?.getContext('2d');
      if (!context || event.buttons === 0) return;
      context.fillStyle = '#fff';
      context.beginPath();
      context.arc(event.offsetX, event.offsetY, ZOOM * 1.5, 0, 2 * Math.PI);
      context.fill();
      classify();
    }

    let waiting = false;
    function classify(): void {
      if (waiting || !canvas.value) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        if (canvas.value) post({ pixels: pixelsOf(canvas.value) });
      }, 100);
    }

    function clear(): void {
      const context = canvas.value?.getContext('2d');
      context?.clearRect(0, 0, SIDE * ZOOM, SIDE * ZOOM);
      guesses.value = [];
    }

    const controls = () =>
      h('p', [
        epochsField(words().epochs, epochs, 30),
        button(words().train, start),
        button(words().stop, stop, !session.value),
        button(words().download, () => post({ download: true }), !isTrained.value),
      ]);
    const drawing = () =>
      h('div', { class: 'train-drawing', hidden: !isTrained.value }, [
        h('p', words().draw),
        h('canvas', {
          ...{ ref: canvas, width: SIDE * ZOOM, height: SIDE * ZOOM },
          ...{ 'aria-label': words().draw, role: 'img' },
          ...{ onPointermove: paint, onPointerdown: paint },
        }),
        h('p', { 'aria-live': 'polite', class: 'train-guess' }, guesses.value.join(', ')),
        button(words().clear, clear),
      ]);

    return () =>
      h('div', { class: 'train-here' }, [
        controls(),
        h('div', { ref: output, class: 'train-output', 'aria-live': 'polite' }),
        drawing(),
      ]);
  },
});
