/**
 * For a test of what is left after close(): `dashboard-closing.ts DIR`. A timer or socket that
 * stays would keep the process alive.
 */
import { startDashboard } from 'deepend';

const { url, close } = await startDashboard(process.argv[2] ?? '', { port: 0 });
const news = await fetch(url.replace('?', 'news?'));
const reader = news.body?.getReader();
let text = '';
while (!text.includes('"cpu"')) text += new TextDecoder().decode((await reader?.read())?.value); // the timers run
await close();
await reader?.read().catch(() => {});
console.log('closed');
