import { CommanderError } from 'commander';
import { NativeError } from '../base/errors.js';

/** Exit codes of every command. */
export const ExitCode = Object.freeze({
  done: 0,
  /** It could not be done: a file cannot be read or written, the addon does not load. */
  failed: 1,
  /** The command line or an input file is wrong. */
  usage: 2,
  /** Stopped by a signal; everything finished is kept. */
  interrupted: 130,
});

const kUsageCodes = new Set(['ERR_OPTION_TYPE', 'ERR_OPTION_RANGE', 'ERR_STUDY']);

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  return kUsageCodes.has((error as { code?: string }).code ?? '') ? ExitCode.usage : ExitCode.failed;
}

/** The error as the one line a user sees; that the addon does not load takes a list. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NativeError) return `prompt-attention: ${message}\n`;
  return `prompt-attention: ${message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim()}\n`;
}
