/** Sections about the run: results, command, model, configuration, device. */
import { isModule } from '@deepend/compiler';
import type { EpochRecord } from '@deepend/core';
import { type SummaryRow, summarize } from '@deepend/models';
import type { AnyModel } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { isUnavailable, type Run, type Unavailable } from '../run/read-run';
import type { RunConfig } from '../run/records';
import type { RunModel } from '../run/run-model';
import { DEFAULTS, SETTINGS, type SettingName, type Settings } from '../settings';
import type { Example } from './evaluation';
import {
  formatCount,
  formatDuration,
  formatFixed,
  formatRate,
  formatTime,
  NOT_KNOWN,
  plural,
} from './format';
import { type Content, type Html, html } from './html';
import { absence, command, pairs, type Section, table } from './parts';
import { quote, trainCommand } from './train-command';

/** The run's results so far. */
export function headline({ config, history }: Run) {
  const last = history.at(-1);
  // Epochs have the same number of samples, so the rate of all is the harmonic mean of theirs.
  const mean = (read: (record: EpochRecord) => number) =>
    history.length / history.reduce((sum, record) => sum + 1 / read(record), 0);
  return {
    loss: last?.loss,
    trainAcc: last?.trainAcc,
    testAcc: last?.testAcc ?? null,
    samplesPerSecond: mean((record) => record.samplesPerSecond),
    samplesPerSecondWithLoading: mean((record) => record.samplesPerSecondWithLoading),
    seconds: history.reduce((sum, { seconds }) => sum + seconds, 0),
    startedAt: config.startedAt,
    seed: config.seed,
  };
}

export function headlineBody(run: Run): Html {
  const { loss, trainAcc, testAcc, samplesPerSecond, seconds, startedAt, seed } = headline(run);
  const ran = run.history.length > 0;
  const measured = Object.entries(run.history.at(-1)?.metrics ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  const tiles: readonly (readonly [name: string, value: string])[] = [
    ['loss', formatFixed(loss)],
    ['train acc', formatFixed(trainAcc)],
    ['test acc', ran && testAcc === null ? 'no test set' : formatFixed(testAcc)],
    ...measured.map(([name, value]) => [`test ${name}`, formatFixed(value)] as const),
    ['samples/s', ran ? formatRate(samplesPerSecond) : NOT_KNOWN],
    ['time', ran ? formatDuration(seconds) : NOT_KNOWN],
    ['started', formatTime(startedAt)],
    ['seed', seed === undefined ? NOT_KNOWN : String(seed)],
  ];
  const items = tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<dl class="tiles">${items}</dl>`;
}

/** `finished: 10 epochs`, `failed after 2 of 10 epochs: the loss became NaN`, ... */
export function describeState({ config, history, result, interruption }: Run): string {
  const asked = config.numEpochs;
  const of =
    asked === undefined
      ? plural(history.length, 'epoch')
      : `${history.length} of ${plural(asked, 'epoch')}`;
  if (!result && interruption) {
    const { ended, reason } = interruption;
    return `${ended} after ${of}${reason ? `: ${reason}` : ''}`;
  }
  if (!result) return `unfinished: ${of}`;
  return result.stopped === undefined
    ? `finished: ${plural(history.length, 'epoch')}`
    : `stopped after ${of}: ${result.stopped}`;
}

export function reproduceSection(run: Run): Section {
  const { dir, config, settings, result } = run;
  const { gitCommit, versions } = config;
  const resume =
    !result &&
    html`<p>To resume this run from its newest checkpoint:</p>
${command(`npx deepend resume ${quote(dir)}`)}`;
  const again = isUnavailable(settings)
    ? absence(settings)
    : html`<p>Run this in the folder where the run was started. It trains with the same settings and
writes to a folder next to this run.</p>
${command(trainCommand(settings, `${dir.replace(/\/+$/, '')}-again`))}`;
  const where = [
    ...(gitCommit ? [['git commit', html`<code>${gitCommit}</code>`] as const] : []),
    ...Object.entries(versions ?? {}).map(([name, version]) => [name, String(version)] as const),
  ];
  const same = 'With the same backend and versions, the same seed gives the same numbers.';
  return {
    id: 'reproduce',
    title: 'Reproduce',
    body: html`${again}${resume}<p>${same}</p>${where.length > 0 && pairs(where)}`,
  };
}

/** @param example a sample's features, for a module, whose rows need them */
export function modelSection(
  found: RunModel<AnyModel> | Unavailable,
  example: Example | undefined,
): Section {
  const body = isUnavailable(found) ? absence(found) : modelBody(found, example);
  return { id: 'model', title: 'Model', body };
}

/** A module without an example has a row for each parameter. */
function rowsOf(model: AnyModel, example: Example | undefined): SummaryRow[] {
  if (!isModule(model)) return summarize(model);
  if (example) {
    const inputs = tf.zeros([1, ...example.shape], example.dtype);
    try {
      return summarize(model, { inputs });
    } finally {
      inputs.dispose();
    }
  }
  return model.namedParameters().map(([name, { shape, size }]) => ({
    name,
    outputShape: shape,
    parameters: size,
    macs: Number.NaN,
    activationBytes: 0,
  }));
}

const countOrNone = (value: number) => (Number.isNaN(value) ? NOT_KNOWN : formatCount(value));

function modelBody({ model, from }: RunModel<AnyModel>, example: Example | undefined): Html {
  const rows = rowsOf(model, example);
  const isOfImages = !isModule(model) || example?.shape.length === 3;
  const one = isOfImages ? 'an image' : 'a sample';
  const axes = isOfImages ? 'Outputs are batch × height × width × channels. ' : '';
  const total = (key: 'parameters' | 'macs') => rows.reduce((sum, row) => sum + row[key], 0);
  const cells = ({ name, outputShape, parameters, macs }: SummaryRow): Content[] => [
    name,
    outputShape.join(' × '),
    formatCount(parameters),
    countOrNone(macs),
  ];
  const columns = [
    { name: 'block' },
    { name: 'output' },
    { name: 'parameters', numeric: true },
    { name: 'MACs', numeric: true },
  ];
  const parameters = formatCount(total('parameters'));
  const macs = countOrNone(total('macs'));
  const last = ['total', '', parameters, macs];
  return html`<p>${model.name}: ${parameters} parameters, ${macs} multiply-accumulates (MACs)
${one}.
${axes}Shown is ${from}.</p>
${table('Blocks of the model', columns, [...rows.map(cells), last])}`;
}

export function configurationSection({ config, settings }: Run): Section {
  const body = isUnavailable(settings) ? scriptTable(config) : settingsTable(settings);
  return { id: 'configuration', title: 'Configuration', body };
}

function settingsTable(settings: Settings): Html {
  const rows = (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const value = settings[name];
    const isDefault = value === undefined || value === DEFAULTS[name];
    const shown = value === undefined ? NOT_KNOWN : String(value);
    const grey = (content: Content) =>
      isDefault ? html`<span class="default">${content}</span>` : content;
    return [
      grey(name),
      grey(shown),
      grey(isDefault ? 'default' : 'set'),
      grey(SETTINGS[name].about),
    ];
  });
  const own = Object.entries(settings.modelOptions ?? {}).map(([name, value]) => [
    name,
    JSON.stringify(value),
    'set',
    'an option of the model',
  ]);
  const [first, ...rest] = rows; // the model's options follow the setting `model`
  const columns = [{ name: 'setting' }, { name: 'value' }, { name: 'from' }, { name: 'meaning' }];
  return table('Settings of the run', columns, [first as Content[], ...own, ...rest]);
}

/** Fields of `config.json` that other sections show. */
const SHOWN_ELSEWHERE = [
  'versions',
  'gitCommit',
  'classNames',
  'training',
  'startedAt',
  'device',
  'backend',
  'hardware',
  'why',
];

/** The config of a script's run: what it passed to `saveRun`, and the options of `train`. */
function scriptTable(config: RunConfig): Html {
  const own = Object.entries(config).filter(
    ([name, value]) => !SHOWN_ELSEWHERE.includes(name) && value !== undefined,
  );
  const rest = Object.entries(config.training ?? {}).filter(
    ([name]) => !own.some(([known]) => known === name),
  );
  return table(
    'Configuration of the run',
    [{ name: 'name' }, { name: 'value' }],
    [...own, ...rest].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

export function deviceSection({ config }: Run): Section {
  const { device, backend, hardware, why } = config;
  const known = (value: string | undefined) => value ?? 'not recorded';
  const rows: (readonly [string, Content])[] = [
    ['device', known(device)],
    ['backend', known(backend)],
    ['hardware', known(hardware)],
    ['why this one', known(why)],
  ];
  return { id: 'device', title: 'Device', body: pairs(rows) };
}
