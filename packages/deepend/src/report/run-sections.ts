/**
 * Sections on the run itself: its figures, the command, the net, the configuration, the machine.
 */
import { type SummaryRow, summarize } from '@deepend/models';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { DEFAULTS, SETTINGS, type SettingName, type Settings } from '../settings';
import { quote, trainCommand } from './command';
import { type Content, type Html, html } from './html';
import { isMissing, type Missing } from './missing';
import { absence, command, pairs, type Section, table } from './parts';
import type { RunConfig, RunFolder } from './run-folder';
import { count, duration, figure, moment, NOT_KNOWN, rate, some } from './words';

/** What a run came to, as far as it has come. */
export function headline({ config, history }: RunFolder) {
  const last = history.at(-1);
  const mean = (of: (record: (typeof history)[number]) => number) =>
    history.length / history.reduce((sum, record) => sum + 1 / of(record), 0); // epochs have the same number of samples
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

export function headlineBody(run: RunFolder): Html {
  const { loss, trainAcc, testAcc, samplesPerSecond, seconds, startedAt, seed } = headline(run);
  const ran = run.history.length > 0;
  const tiles: readonly (readonly [name: string, value: string])[] = [
    ['loss', figure(loss)],
    ['train acc', figure(trainAcc)],
    ['test acc', ran && testAcc === null ? 'no test set' : figure(testAcc)],
    ['samples/s', ran ? rate(samplesPerSecond) : NOT_KNOWN],
    ['time', ran ? duration(seconds) : NOT_KNOWN],
    ['begun', moment(startedAt)],
    ['seed', seed === undefined ? NOT_KNOWN : String(seed)],
  ];
  return html`<dl class="tiles">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** `finished: 10 epochs`, and how to go on where it is not. */
export function stateOf({ config, history, result, broken }: RunFolder): string {
  const asked = config.numEpochs;
  const of =
    asked === undefined
      ? some(history.length, 'epoch')
      : `${history.length} of ${some(asked, 'epoch')}`;
  if (!result && broken)
    return `${broken.ended} after ${of}${broken.reason ? `: ${broken.reason}` : ''}`;
  if (!result) return `unfinished: ${of}`;
  return result.stopped === undefined
    ? `finished: ${some(history.length, 'epoch')}`
    : `stopped after ${of}: ${result.stopped}`;
}

export function reproduceSection(run: RunFolder): Section {
  const { dir, config, settings, result } = run;
  const { gitCommit, versions } = config;
  const goOn =
    !result &&
    html`<p>To go on with this run from its newest checkpoint:</p>${command(`npx deepend resume ${quote(dir)}`)}`;
  const again = isMissing(settings)
    ? absence(settings)
    : html`<p>The same settings, in the folder that this run was started in; it writes beside this run, not over it:</p>
${command(trainCommand(settings, `${dir.replace(/\/+$/, '')}-again`))}`;
  const where = [
    ...(gitCommit ? [['git commit', html`<code>${gitCommit}</code>`] as const] : []),
    ...Object.entries(versions ?? {}).map(([name, version]) => [name, String(version)] as const),
  ];
  const same = 'On the same engine and versions, the same seed gives the same figures.';
  return {
    id: 'reproduce',
    title: 'Reproduce',
    body: html`${again}${goOn}<p>${same}</p>${where.length > 0 && pairs(where)}`,
  };
}

export function netSection(
  found: { readonly net: LayersModel; readonly from: string } | Missing,
): Section {
  return { id: 'net', title: 'Net', body: isMissing(found) ? absence(found) : netBody(found) };
}

function netBody({ net, from }: { readonly net: LayersModel; readonly from: string }): Html {
  const rows = summarize(net);
  const total = (key: 'parameters' | 'macs') => rows.reduce((sum, row) => sum + row[key], 0);
  const cells = ({ name, outputShape, parameters, macs }: SummaryRow): Content[] => [
    name,
    outputShape.join(' × '),
    count(parameters),
    count(macs),
  ];
  const columns = [
    { name: 'block' },
    { name: 'output' },
    { name: 'parameters', numeric: true },
    { name: 'MACs', numeric: true },
  ];
  const last = ['total', '', count(total('parameters')), count(total('macs'))];
  return html`<p>${net.name}: ${count(total('parameters'))} parameters, ${count(total('macs'))} multiply-accumulates (MACs) for an image. Outputs are batch × height × width × channels. Shown is ${from}.</p>
${table('Blocks of the net', columns, [...rows.map(cells), last])}`;
}

export function configurationSection({ config, settings }: RunFolder): Section {
  const body = isMissing(settings) ? scriptTable(config) : settingsTable(settings);
  return { id: 'configuration', title: 'Configuration', body };
}

function settingsTable(settings: Settings): Html {
  const rows = (Object.keys(SETTINGS) as SettingName[]).map((name) => {
    const value = settings[name];
    const asUsual = value === undefined || value === DEFAULTS[name];
    const shown = value === undefined ? NOT_KNOWN : String(value);
    const grey = (content: Content) =>
      asUsual ? html`<span class="default">${content}</span>` : content;
    return [grey(name), grey(shown), grey(asUsual ? 'default' : 'set'), grey(SETTINGS[name].about)];
  });
  const own = Object.entries(settings.modelOptions ?? {}).map(([name, value]) => [
    name,
    JSON.stringify(value),
    'set',
    'an option of the net',
  ]);
  const [first, ...rest] = rows; // the net's own options stand below the net
  const columns = [{ name: 'setting' }, { name: 'value' }, { name: 'from' }, { name: 'meaning' }];
  return table('Settings of the run', columns, [first as Content[], ...own, ...rest]);
}

/** What other sections show. */
const SHOWN = [
  'versions',
  'gitCommit',
  'classNames',
  'training',
  'startedAt',
  'device',
  'engine',
  'hardware',
  'why',
];

/** A script's run has whatever it told `saveRun`, and what `train` was asked for. */
function scriptTable(config: RunConfig): Html {
  const own = Object.entries(config).filter(
    ([name, value]) => !SHOWN.includes(name) && value !== undefined,
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

export function deviceSection({ config }: RunFolder): Section {
  const { device, engine, hardware, why } = config;
  const known = (value: string | undefined) => value ?? 'not recorded';
  const rows: (readonly [string, Content])[] = [
    ['device', known(device)],
    ['engine', known(engine)],
    ['hardware', known(hardware)],
    ['why this one', known(why)],
  ];
  return { id: 'device', title: 'Device', body: pairs(rows) };
}
