/** VitePress's theme in the system's fonts, with deepend's colours. */
import theme from 'vitepress/theme-without-fonts';
import './style.css';
import { keepOffline } from './offline';

keepOffline();

export default theme;
