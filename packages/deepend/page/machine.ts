/** How busy the machine is, over the last two minutes. */
import type { LoadSample } from '../src/dashboard/types';
import { byId, element, setText } from './dom';
import * as format from './format';

const KEPT = 120;
const [WIDTH, HEIGHT] = [120, 28];
const SVG = 'http://www.w3.org/2000/svg';

interface Gauge {
  readonly line: SVGElement;
  readonly value: HTMLElement;
  readonly box: HTMLElement;
}

interface Reading {
  readonly name: string;
  /** 0 to 1; null is a gap. */
  readonly share: number | null;
  readonly text: string;
}

export class MachineView {
  #samples: LoadSample[] = [];
  readonly #gauges = new Map<string, Gauge>();
  readonly #place = byId('machine');

  /** @param whole whether these samples are all that there are */
  add(samples: readonly LoadSample[], whole: boolean): void {
    this.#samples = [...(whole ? [] : this.#samples), ...samples].slice(-KEPT);
    const last = this.#samples.at(-1);
    if (!last) return;
    const columns = this.#samples.map(readings);
    const now = readings(last);
    for (const { name, text } of now) {
      const { line, value } = this.#gauges.get(name) ?? this.#make(name);
      const shares = columns.map(
        (all) => all.find((reading) => reading.name === name)?.share ?? null,
      );
      line.setAttribute('d', path(shares));
      setText(value, text);
    }
    for (const [name, { box }] of this.#gauges) {
      if (now.some((reading) => reading.name === name)) continue;
      box.remove();
      this.#gauges.delete(name);
    }
  }

  #make(name: string): Gauge {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('aria-hidden', 'true'); // the value next to it has the same content
    const line = document.createElementNS(SVG, 'path');
    svg.append(line);
    const value = element('dd');
    const box = element('div', { class: 'gauge' }, element('dt', {}, name), value);
    box.append(svg);
    this.#place.append(box);
    const made = { line, value, box };
    this.#gauges.set(name, made);
    return made;
  }
}

function readings({ cpu, memoryUsed, memoryTotal, gpus }: LoadSample): Reading[] {
  const ofMemory = (used: number, total: number) =>
    `${format.gibibytes(used)} of ${format.gibibytes(total)} GiB`;
  return [
    { name: 'CPU', share: cpu, text: format.percent(cpu) },
    { name: 'memory', share: memoryUsed / memoryTotal, text: ofMemory(memoryUsed, memoryTotal) },
    ...gpus.flatMap(({ name, busy, memoryUsed: used, memoryTotal: total }, i): Reading[] => {
      const title = `GPU ${i}, ${name}`;
      const memory =
        used !== null && total
          ? [{ name: `GPU ${i} memory`, share: used / total, text: ofMemory(used, total) }]
          : [];
      return [{ name: title, share: busy, text: format.percent(busy) }, ...memory];
    }),
  ];
}

/** The newest stands right; what came before there were samples is left out. */
function path(shares: readonly (number | null)[]): string {
  const step = WIDTH / (KEPT - 1);
  let draws = false;
  return shares
    .map((share, i) => {
      if (share === null) draws = false;
      if (share === null) return '';
      const x = WIDTH - (shares.length - 1 - i) * step;
      const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, share)));
      const command = draws ? 'L' : 'M';
      draws = true;
      return `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}
