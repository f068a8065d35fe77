import { FULL_RUN_ONLY } from './test-files';

/** Says once, after the results, that a run by default was not a full one. */
export function teardown(): void {
  console.log(
    'Representative rows ran; `npm run test:full` runs all rows and repetitions, ' +
      `and ${FULL_RUN_ONLY.length} more files.\n`,
  );
}
