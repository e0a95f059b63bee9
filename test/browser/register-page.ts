import type { ConformanceCase } from '../../src/testing/conformance.js';

/** What a page offers to the test that drives it. */
export interface Page {
  readonly names: readonly string[];
  /** The text of the error, or undefined when the case holds. */
  run(name: string): Promise<string | undefined>;
}

/** Puts the cases of a page where the test finds them. */
export function registerPage(cases: readonly ConformanceCase[]): void {
  const page: Page = {
    names: cases.map(({ name }) => name),
    async run(name) {
      try {
        await cases.find((each) => each.name === name)!.run();
        return undefined;
      } catch (error) {
        return error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error);
      }
    },
  };
  Object.assign(globalThis, { page });
}
