/**
 * What a device's worker runs, a thread or a process. scripts/build-worker.mjs makes a text of it.
 */
import { parentPort } from 'node:worker_threads';
import { serializeError } from '@deepend/core';
import { type Answers, type Question, type Reply, SPOOLS, type Task } from './messages';
import { Replica } from './replica';
import { SpoolReader, spool } from './spool';

const post = (reply: Reply): void => {
  if (parentPort) parentPort.postMessage(reply);
  else
    process.send?.(
      'answer' in reply ? { ...reply, answer: spool(SPOOLS.answers, reply.answer) } : reply,
    );
};

let replica: Replica | undefined;

async function answer(task: Task): Promise<Answers[Question]> {
  if (task.question === 'begin') {
    replica = await Replica.begin(task);
    return replica.answer();
  }
  if (!replica) throw new Error(`${task.question} was asked for before begin`);
  return task.question === 'forward' ? replica.forward(task) : replica.backward(task);
}

let before: Promise<void> = Promise.resolve();
const onTask = (task: Task): void => {
  before = before.then(async () => {
    try {
      post({ id: task.id, answer: await answer(task) });
    } catch (error) {
      post({ id: task.id, fault: serializeError(error) });
    }
  });
};

if (parentPort) parentPort.on('message', onTask);
else {
  const reader = new SpoolReader(SPOOLS.tasks);
  process.on('message', (task: Task) => onTask(reader.read(task)));
  process.on('disconnect', () => process.exit()); // whoever asks has ended, however it did
  process.on('SIGINT', () => {}); // Ctrl-C reaches every process of a terminal; it is for the one that trains to end the step
}
post({ loaded: true });
