import type { Completed, CompletedCommand, CompletedOption } from './tree.js';

/** A command with the words that lead to it. */
interface Place {
  readonly path: readonly string[];
  readonly command: CompletedCommand;
}

/** Every command of a tree, the first one with an empty path. */
function places(command: CompletedCommand, path: readonly string[] = []): readonly Place[] {
  return [{ path, command }, ...command.commands.flatMap((each) => places(each, [...path, each.name]))];
}

/** Text between single quotes of a POSIX shell, and of zsh. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);

/** The statement that offers what stands at a place. */
function bashOffer(what: Completed | undefined): string {
  if (what === undefined || what === 'anything') return 'return';
  if (what === 'file') return '_prompt_attention_files; return';
  return `_prompt_attention_words ${quoted(what.join('\n'))}; return`;
}

/** The completion of bash. */
export function bashCompletion(tree: CompletedCommand): string {
  const all = places(tree);
  const key = (path: readonly string[]) => quoted(path.join(' '));
  const cases = (list: readonly (readonly [string, string])[]) =>
    list.map(([pattern, body]) => `    ${pattern}) ${body} ;;`).join('\n');
  const values = all.flatMap(({ path, command }) =>
    command.options.flatMap(({ name, value }) =>
      value === undefined ? [] : [[key([...path, name]), bashOffer(value)] as const],
    ),
  );
  const options = all.map(
    ({ path, command }) => [key(path), `_prompt_attention_words ${quoted(names(command.options).join('\n'))}`] as const,
  );
  const own = all.map(({ path, command: { commands, argument } }) => {
    return [key(path), bashOffer(commands.length > 0 ? names(commands) : argument)] as const;
  });
  const paths = all.flatMap(({ path }) => (path.length > 0 ? [key(path)] : [])).join('|');
  return `# bash completion of prompt-attention
_prompt_attention_words() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}
_prompt_attention_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$current"))
}
_prompt_attention() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= next i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
    ${paths}) path=$next ;;
    esac
  done
  case "\${path:+$path }\${COMP_WORDS[COMP_CWORD - 1]}" in
${cases(values)}
  esac
  if [[ $current == -* ]]; then
    case "$path" in
${cases(options)}
    esac
    return
  fi
  case "$path" in
${cases(own)}
  esac
}
complete -F _prompt_attention prompt-attention
`;
}

/** Text inside the brackets and between the colons of zsh's _arguments. */
const zshText = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&');

const zshAction = (what: Completed) =>
  what === 'file' ? '_files' : what === 'anything' ? ' ' : `(${what.map(zshText).join(' ')})`;

function zshOption({ name, description, value }: CompletedOption): string {
  return quoted(`${name}[${zshText(description)}]${value === undefined ? '' : `:value:${zshAction(value)}`}`);
}

/** The completion of zsh. */
export function zshCompletion(tree: CompletedCommand): string {
  const functions = places(tree).map(({ path, command }) => {
    const name = ['_prompt-attention', ...path].join('_');
    const options = command.options.map(zshOption);
    const { commands, argument } = command;
    if (commands.length === 0) {
      const rest = argument === undefined ? [] : [quoted(`*:argument:${zshAction(argument)}`)];
      return `${name}() {\n  _arguments ${[...options, ...rest].join(' ')}\n}`;
    }
    const described = commands.map((each) => quoted(`${zshText(each.name)}:${each.description}`));
    const cases = commands.map((each) => `    ${each.name}) ${name}_${each.name} ;;`);
    return `${name}() {
  local curcontext=$curcontext state line
  local -a commands=(${described.join(' ')})
  _arguments -C ${options.join(' ')} ${quoted('1: :->command')} ${quoted('*:: :->rest')}
  case $state in
  command) _describe command commands ;;
  rest)
    case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}`;
  });
  return `#compdef prompt-attention\n${functions.join('\n')}\n_prompt-attention "$@"\n`;
}

/** Text between single quotes of fish. */
const fishQuoted = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;

function fishValue(value: Completed | undefined): string {
  if (value === undefined) return '';
  if (value === 'file') return ' -r -F';
  return value === 'anything' ? ' -x' : ` -x -a ${fishQuoted(value.join(' '))}`;
}

/** The completion of fish. */
export function fishCompletion(tree: CompletedCommand): string {
  const lines = places(tree).flatMap(({ path, command: { options, commands, argument } }) => {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const none = commands.length > 0 ? [`not __fish_seen_subcommand_from ${names(commands).join(' ')}`] : [];
    const when = [...seen, ...none].join('; and ');
    const condition = when === '' ? '' : ` -n ${fishQuoted(when)}`;
    const line = (rest: string) => `complete -c prompt-attention${condition}${rest}`;
    return [
      ...commands.map((each) => line(` -a ${each.name} -d ${fishQuoted(each.description)}`)),
      ...options.map(({ name, description, value }) =>
        line(` -l ${name.replace(/^--/, '')} -d ${fishQuoted(description)}${fishValue(value)}`),
      ),
      ...(argument === 'file' ? [line(' -F')] : []),
      ...(Array.isArray(argument) ? [line(` -a ${fishQuoted(argument.join(' '))}`)] : []),
    ];
  });
  return `# fish completion of prompt-attention\n${['complete -c prompt-attention -f', ...lines].join('\n')}\n`;
}
