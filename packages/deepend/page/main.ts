/** The dashboard's page: takes the server's news and shows them. */
import type { LoadSample, News, RunSummary } from '../src/dashboard/types';
import { Charts } from './charts';
import { Choice } from './choice';
import { ComparisonView } from './comparison';
import { byId, setText } from './dom';
import { MachineView } from './machine';
import { SearchesView } from './searches';
import { Table } from './table';

const runs = new Map<string, RunSummary>();
let now = Date.now(); // by the server's clock

const redraw = () => {
  table.draw(now);
  charts.refresh();
  comparison.refresh();
};
const choice = new Choice(redraw);
const chosen = () => choice.ids.filter((id) => runs.has(id));
const table = new Table(runs, choice);
const charts = new Charts(chosen);
const comparison = new ComparisonView(chosen, runs);
const machine = new MachineView();
const searches = new SearchesView();

function take({ runs: changed, searches: found, gone, whole, cut }: News): void {
  if (whole) runs.clear();
  for (const id of gone) runs.delete(id);
  for (const run of changed) {
    const before = runs.get(run.id);
    if (before && before.state !== run.state)
      setText(byId('spoken'), `${run.name}: ${run.state}${run.reason ? `: ${run.reason}` : ''}`);
    runs.set(run.id, run);
  }
  if (found) searches.set(found);
  byId('cut').hidden = !cut;
  byId('empty').hidden = runs.size > 0;
  choice.follow(runs);
  const touched =
    whole || gone.some((id) => choice.has(id)) || changed.some(({ id }) => choice.has(id));
  if (touched) redraw();
  else table.draw(now);
}

function takeLoad({ samples, whole }: { samples: readonly LoadSample[]; whole: boolean }): void {
  machine.add(samples, whole);
  now = samples.at(-1)?.time ?? now;
  table.draw(now); // who is silent is so for a second longer
}

const news = new EventSource('news');
const say = (text: string, lost: boolean) => {
  setText(byId('connection'), text);
  byId('connection').classList.toggle('lost', lost);
};
news.addEventListener('open', () => say('live', false));
news.addEventListener('error', () => {
  // The browser tries again unless the server refused: one that was restarted has another token.
  const isRefused = news.readyState === EventSource.CLOSED;
  const next = isRefused ? 'open the address that it prints now' : 'trying again';
  say(`the dashboard does not answer; ${next}`, true);
});
news.addEventListener('runs', ({ data }) => take(JSON.parse(data)));
news.addEventListener('load', ({ data }) => takeLoad(JSON.parse(data)));
