/**
 * Prints which tests were skipped, under vitest's own output: their titles hold the reason. A group
 * of which all are skipped is one line.
 */
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

export class SkipReporter implements Reporter {
  #isFiltered = false;

  onInit({ config }: Vitest): void {
    this.#isFiltered = config.testNamePattern !== undefined; // what a filter left out has no reason
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#isFiltered) return;
    const lines = modules.flatMap((module) =>
      skippedIn(module).map((line) => `  ${module.relativeModuleId}: ${line}`),
    );
    if (lines.length > 0) console.log(`\nSkipped, with the reason:\n${lines.join('\n')}`);
  }
}

/** The outermost groups and the tests that were skipped. */
export function skippedIn(parent: TestModule | TestSuite): string[] {
  return [...parent.children].flatMap((child) => {
    const isGroup = child.type === 'suite';
    const tests = isGroup ? [...child.children.allTests()] : [child];
    const skipped = tests.filter(isSkipped);
    if (skipped.length === 0) return [];
    if (isGroup && skipped.length < tests.length) return skippedIn(child);
    const note = isGroup ? undefined : noteOf(child);
    const count = isGroup ? ` (${skipped.length} ${skipped.length === 1 ? 'test' : 'tests'})` : '';
    return [`${child.fullName}${count}${note === undefined ? '' : `: ${note}`}`];
  });
}

const isSkipped = (test: TestCase) => test.result().state === 'skipped';

/** What `context.skip(note)` was called with. */
function noteOf(test: TestCase): string | undefined {
  const result = test.result();
  return result.state === 'skipped' ? result.note : undefined;
}
