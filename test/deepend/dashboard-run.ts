/**
 * The command line from the sources, for tests that start and end it as a process:
 * `dashboard-run.ts dashboard DIR`.
 */
import { main } from 'deepend/cli';

await main(process.argv);
