/** VitePress's theme in the system's fonts, with deepend's colours. */
import type { Theme } from 'vitepress';
import theme from 'vitepress/theme-without-fonts';
import './style.css';
import { keepOffline } from './offline';
import { TrainHere } from './train-here';

keepOffline();

const extended: Theme = {
  extends: theme,
  enhanceApp: ({ app }) => void app.component('TrainHere', TrainHere),
};
export default extended;
