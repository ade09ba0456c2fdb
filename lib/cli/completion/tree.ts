import type { Command } from 'commander';

/** What may stand at a place: one of some words, the name of a file, or what nobody can know. */
export type Completed = readonly string[] | 'file' | 'anything';

/** An option of a command. */
export interface CompletedOption {
  /** `--out`. */
  readonly name: string;
  readonly description: string;
  /** What follows it; undefined if nothing does. */
  readonly value: Completed | undefined;
}

/** A command as completions see it. */
export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
  /** What its arguments may be; undefined if it has none. */
  readonly argument: Completed | undefined;
}

/** By the names that arguments and values have in the help: a study, an experiment and a mixture are files or text. */
const kFiles = /^(files?|directory|study|experiment|mixture|results)$/;

const completed = (choices: readonly string[] | undefined, name: string): Completed =>
  choices ?? (kFiles.test(name) ? 'file' : 'anything');

/** A command with all commands below it, as commander knows them. */
export function commandTree(command: Command): CompletedCommand {
  const options = command.createHelp().visibleOptions(command);
  const [argument] = command.registeredArguments;
  return {
    name: command.name(),
    description: command.description(),
    options: options.map(({ long, short, description, required, optional, argChoices, flags }) => ({
      name: long ?? (short as string),
      description,
      value: required || optional ? completed(argChoices, /[<[](\w+)/.exec(flags)?.[1] ?? '') : undefined,
    })),
    commands: command.commands.map(commandTree),
    argument: argument && completed(argument.argChoices, argument.name()),
  };
}
