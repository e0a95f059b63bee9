/** One thing that a plug-in must prove. `run` throws when it does not hold. */
export interface ConformanceCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Cases that a plug-in cannot pass, and the reason why: documentation that cannot rot. */
export interface Skip {
  readonly reason: string;
  readonly cases: readonly string[];
}

/** How to register a test: vitest's or node:test's `test`, jest's `it`. */
export type RegisterTest = (name: string, run: () => Promise<void>) => unknown;

/** Options of every conformance suite. */
export interface ConformanceOptions {
  /** Default: the global `test` or `it`. */
  readonly test?: RegisterTest;
  readonly skip?: readonly Skip[];
}

function globalTest(): RegisterTest {
  const globals = globalThis as { test?: RegisterTest; it?: RegisterTest };
  const found = globals.test ?? globals.it;
  if (found === undefined) throw new Error('pass { test } from your test runner: testBackbone(family, { test })');
  return found;
}

/** Registers a suite's cases. A skipped case is registered too, under its reason; a skip that names no case is an error. */
export function registerCases(suite: string, cases: readonly ConformanceCase[], options: ConformanceOptions): void {
  const test = options.test ?? globalTest();
  const reasons = new Map((options.skip ?? []).flatMap(({ reason, cases: names }) => names.map((name) => [name, reason] as const)));
  for (const name of reasons.keys())
    if (!cases.some((each) => each.name === name)) throw new Error(`skip names "${name}", which is no case of ${suite}`);
  for (const { name, run } of cases) {
    const reason = reasons.get(name);
    if (reason === undefined) test(`${suite}: ${name}`, run);
    else test(`${suite}: ${name} (skipped: ${reason})`, () => Promise.resolve());
  }
}

/** Fails with a message unless a condition holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
