import { systemCode } from './storage-error.js';

/** Whether a process of this machine lives; one that may not be asked does. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 asks, and sends nothing
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
