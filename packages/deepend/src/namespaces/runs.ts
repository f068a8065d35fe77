/** The namespace `runs`: what the command line does, as functions. */
export { toCsv, toJson, toJsonl } from '@deepend/core';
export { type Dashboard, type DashboardOptions, startDashboard } from '../dashboard/start';
export { type ExperimentOptions, runExperiment } from '../experiment';
export { type PredictionsOptions, predictionsToCsv } from '../prediction-table';
export { type ReportOptions, writeReport } from '../report/report';
export { type Run, readRun } from '../run/read-run';
export { type SaveRunOptions, saveRun } from '../run/save-run';
export { SETTINGS, type Settings, settingsFrom } from '../settings';
