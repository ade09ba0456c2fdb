import { Argument, Command } from 'commander';
import { bashCompletion, fishCompletion, zshCompletion } from './scripts.js';
import { commandTree } from './tree.js';

const kScripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** `prompt-attention completion SHELL`. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print a script by which a shell completes commands, options and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(kScripts)))
    .addHelpText(
      'after',
      `
bash: prompt-attention completion bash > ~/.local/share/bash-completion/completions/prompt-attention
zsh:  prompt-attention completion zsh > DIR/_prompt-attention, where DIR is one of $fpath
fish: prompt-attention completion fish > ~/.config/fish/completions/prompt-attention.fish`,
    )
    .action((shell: keyof typeof kScripts, _flags: object, command: Command) => {
      process.stdout.write(kScripts[shell](commandTree(command.parent as Command)));
    });
}
