/** VitePress's theme in the system's fonts, with deepend's colours. */
import type { Theme } from 'vitepress';
import theme from 'vitepress/theme-without-fonts';
import './style.css';
import { keepOffline } from './offline';
import { TrainHere } from './train-here';
import { TrainText } from './train-text';

keepOffline();

const extended: Theme = {
  extends: theme,
  enhanceApp: ({ app }) => {
    app.component('TrainHere', TrainHere);
    app.component('TrainText', TrainText);
  },
};
export default extended;
