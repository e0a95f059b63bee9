import type { MessageLine } from '../runtimes/runtime.js';
import type { AnswerMessage, CallMessage, WorkerMethod } from './messages.js';
import { toPlainError } from './plain-error.js';

/** Answers the calls that come over a line; the worker's half of `WorkerCalls`. Calls may overlap. */
export function serveCalls(line: MessageLine, methods: Readonly<Record<string, WorkerMethod>>): void {
  const tell = (news: unknown): void => line.postMessage({ news });
  const answer = async ({ id, method, argument }: CallMessage): Promise<void> => {
    try {
      const { value, transfer } = await methods[method]!(argument as never, tell);
      line.postMessage({ id, value } satisfies AnswerMessage, transfer);
    } catch (error) {
      line.postMessage({ id, error: toPlainError(error) } satisfies AnswerMessage);
    }
  };
  line.onMessage((message) => void answer(message as CallMessage));
}
