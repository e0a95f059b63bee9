import { describe, expect, test } from 'vitest';
import { combine, TrainingControl, waitWhilePaused } from '../../src/training/control.js';
import { TimeLeft } from '../../src/training/time-left.js';

/** Whether a promise is settled after the microtasks that are waiting now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  await new Promise((resolve) => setTimeout(resolve));
  return settled;
}

describe('a control', () => {
  test('lets a training run until it is paused, and again when it is resumed', async () => {
    const control = new TrainingControl();
    expect(control.state).toBe('running');
    expect(await isSettled(control.whenRunning())).toBe(true);
    control.pause();
    control.pause();
    expect(control.state).toBe('paused');
    const waiting = [control.whenRunning(), control.whenRunning()];
    expect(await isSettled(waiting[0]!)).toBe(false);
    control.resume();
    expect(await isSettled(Promise.all(waiting))).toBe(true);
    expect(control.state).toBe('running');
  });

  test('aborts for good, also while paused', async () => {
    const control = new TrainingControl();
    control.pause();
    const waiting = control.whenRunning();
    control.abort('enough');
    control.abort('again');
    control.pause();
    expect(control.state).toBe('aborted');
    expect(control.signal.reason).toBe('enough');
    expect(await isSettled(waiting)).toBe(true);
    expect(await isSettled(control.whenRunning())).toBe(true);
  });

  test("follows a caller's signal as long as it is told to", () => {
    const outer = new AbortController();
    const released = combine(outer.signal);
    released.release();
    const followed = combine(outer.signal, new TrainingControl());
    outer.abort('from outside');
    expect(released.control.state).toBe('running');
    expect(followed.control.signal.reason).toBe('from outside');
    expect(combine(outer.signal).control.state).toBe('aborted');
    expect(combine(undefined).control.state).toBe('running');
  });

  test('tells of a pause and how long it was', async () => {
    const control = new TrainingControl();
    const told: string[] = [];
    let now = 100;
    const wait = () =>
      waitWhilePaused(
        control,
        ({ type }) => told.push(type),
        () => now,
      );
    expect(await wait()).toBe(0);
    control.pause();
    const waiting = wait();
    control.resume();
    control.pause(); // before the training woke up: it stays asleep
    expect(await isSettled(waiting)).toBe(false);
    now = 350;
    control.resume();
    expect(await waiting).toBe(250);
    expect(told).toEqual(['paused', 'resumed']);
    control.pause();
    const aborted = wait();
    control.abort();
    await aborted;
    expect(told).toEqual(['paused', 'resumed', 'paused']);
  });
});

describe('the time that is left', () => {
  const clock = () => {
    const at = { now: 0 };
    return { at, tick: (milliseconds: number) => (at.now += milliseconds), now: () => at.now };
  };

  test('follows from the steps so far, without the first', () => {
    const { tick, now } = clock();
    const left = new TimeLeft(101, 0, now);
    expect(left.pace).toEqual({ rate: 0, secondsLeft: undefined });
    tick(5000); // compiling
    expect(left.step().secondsLeft).toBeCloseTo(500);
    for (let step = 0; step < 10; step++) {
      tick(100);
      left.step();
    }
    expect(left.pace.rate).toBeCloseTo(10);
    expect(left.pace.secondsLeft).toBeCloseTo(9);
  });

  test('does not swing with validation, and counts it', () => {
    const { tick, now } = clock();
    const left = new TimeLeft(40, 4, now);
    const estimates: number[] = [];
    for (let epoch = 0; epoch < 4; epoch++) {
      for (let step = 0; step < 10; step++) {
        tick(100);
        estimates.push(left.step().secondsLeft!);
      }
      tick(3000);
      estimates.push(left.epoch().secondsLeft!);
    }
    expect(estimates[10]).toBeCloseTo(30 * 0.1 + 3 * 3);
    expect(estimates[11]! - estimates[12]!).toBeCloseTo(0.1);
    expect(estimates.at(-1)).toBeCloseTo(0);
  });

  test('follows a machine that becomes slower', () => {
    const { tick, now } = clock();
    const left = new TimeLeft(1000, 0, now);
    for (let step = 0; step < 200; step++) {
      tick(step < 100 ? 10 : 40);
      left.step();
    }
    expect(left.pace.rate).toBeGreaterThan(25);
    expect(left.pace.rate).toBeLessThan(28);
  });

  test('leaves pauses out and takes several steps at once', () => {
    const { tick, now } = clock();
    const left = new TimeLeft(640, 0, now);
    for (let chunk = 0; chunk < 5; chunk++) {
      tick(640);
      left.step(64);
      tick(60_000);
      left.skip();
    }
    expect(left.pace.secondsLeft).toBeCloseTo(3.2);
    tick(640);
    expect(left.step(1000).secondsLeft).toBe(0);
  });
});
