/** The steps in a process of Node's, asked by messages. */
import * as tf from '@tensorflow/tfjs-core';
import { book, device, nn, train } from 'deepend';
import { type Net, startSteps } from './train-steps';

const steps = await startSteps({ book, device, nn, tf, train }, process.argv[2] as Net);
process.on('message', async (seconds: number) => process.send?.(await steps(seconds)));
process.send?.('ready');
