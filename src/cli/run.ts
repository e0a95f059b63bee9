import { TransferKitError } from '../errors.js';
import { version } from '../saving/version.js';
import { cacheCommand, cacheHelp } from './cache-command.js';

/** Where a command writes. */
export interface Terminal {
  write(text: string): void;
  /** For what went wrong. */
  fail(text: string): void;
  /** Characters a line. */
  readonly width: number;
}

/** A command: its arguments, and what to write to. Gives the exit code. */
export type Command = (parameters: readonly string[], terminal: Terminal) => Promise<number>;

const commands: Readonly<Record<string, Command>> = { cache: cacheCommand };

const help = `TransferKit ${version}

Usage: transferkit <command>

Commands:
  cache         list what is kept on this machine: features and downloads
  cache clear   remove some or all of it

${cacheHelp}`;

/** A slip in how the program was called. */
const usageExit = 2;

/**
 * Runs the command line.
 * @returns the exit code: 0, 1 when the work failed, 2 for a command or option that does not exist
 */
export async function run(parameters: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = parameters;
  if (name === '--version' || name === '-v') return (terminal.write(`${version}\n`), 0);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.write(help);
    return name === undefined ? usageExit : 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    terminal.fail(`there is no command "${name}"; there is ${Object.keys(commands).join(', ')}. See transferkit --help\n`);
    return usageExit;
  }
  try {
    return await command(rest, terminal);
  } catch (error) {
    if (isUsageError(error)) return (terminal.fail(`${error.message}\nSee transferkit --help\n`), usageExit);
    if (!TransferKitError.isInstance(error)) throw error;
    terminal.fail(`${error.message}\n`);
    return 1;
  }
}

/** What `parseArgs` throws for options that do not exist. */
const isUsageError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
