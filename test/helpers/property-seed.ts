/**
 * Property tests draw the same inputs in each run, so that a failure says something about the
 * change that is tested. `DEEPEND_TEST_SEED=7 npm run test:full` draws others.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.DEEPEND_TEST_SEED ?? 1) });
