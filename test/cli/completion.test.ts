import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../study/support.js';
import { command } from './support.js';

/** What is offered behind a line, by shell: each lists one word a line. */
const kShells = {
  bash: (line: readonly string[]) => `source ./script
COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${line.length - 1}
_prompt_attention
printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: (line: readonly string[]) => `source ./script
complete -C '${line.join(' ')}' | string split -f 1 \\t`,
} as const;

/** Lines of which the last word is to be completed, with the words that are offered. */
const cases: readonly (readonly [line: readonly string[], offered: readonly string[]])[] = [
  [['prompt-attention', 'se'], ['separation']],
  [['prompt-attention', 'images', 'm'], ['maps']],
  [['prompt-attention', 'export', '--fo'], ['--format']],
  [
    ['prompt-attention', 'export', 'x.sqlite', '--format', ''],
    ['arrow', 'csv', 'json', 'npz', 'parquet'],
  ],
  [['prompt-attention', 'run', 'study.yaml', '--progress', 'l'], ['lines']],
  [
    ['prompt-attention', 'completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [['prompt-attention', 'images', 'maps', '--co'], ['--correct']],
  [['prompt-attention', 'report', 'my r'], ['my results.sqlite']],
  [['prompt-attention', 'images', 'figure', 'x', '--out', 'fold'], ['folder/']],
];

async function scriptOf(t: ExecutionContext, shell: string): Promise<string> {
  const directory = temporaryDirectory(t);
  const { code, stdout, stderr } = await command(['completion', shell], directory);
  t.deepEqual([code, stderr], [0, '']);
  writeFileSync(join(directory, 'script'), stdout);
  return directory;
}

for (const shell of ['bash', 'fish'] as const)
  test(`${shell} completes commands, options, their values and files`, async (t) => {
    const directory = await scriptOf(t, shell);
    if (spawnSync(shell, ['--version']).status !== 0) {
      t.log(`${shell} is not installed`);
      return;
    }
    writeFileSync(join(directory, 'my results.sqlite'), '');
    mkdirSync(join(directory, 'folder'));
    for (const [line, offered] of cases) {
      // A word that a user would put a backslash before.
      const typed = shell === 'fish' ? line.map((word) => word.replaceAll(' ', '\\ ')) : line;
      const { stdout, stderr } = spawnSync(shell, ['-c', kShells[shell](typed)], { cwd: directory, encoding: 'utf8' });
      const words = stdout.split('\n').filter((word) => word !== '');
      t.is(stderr, '');
      // Readline adds the slash of a directory by itself.
      const expected = shell === 'bash' ? offered.map((word) => word.replace(/\/$/, '')) : offered;
      t.deepEqual(words.sort(), expected, line.join(' '));
    }
  });

test('the script of zsh is one, and describes what it offers', async (t) => {
  const directory = await scriptOf(t, 'zsh');
  if (spawnSync('zsh', ['--version']).status !== 0) {
    t.log('zsh is not installed');
    return;
  }
  // What _arguments and _describe, of zsh's completion system, are asked to offer.
  const program = `autoload -Uz compinit && compinit -D -u
_arguments() { print -rl -- "$@"; state=rest; line=(export) }
_describe() { print -rl -- "\${(P@)2}"; }
source ./script`;
  const { stdout, stderr, status } = spawnSync('zsh', ['-f', '-c', program], { cwd: directory, encoding: 'utf8' });
  t.deepEqual([status, stderr], [0, '']);
  t.true(stdout.includes('--format[format of the output]:value:(csv json parquet arrow npz)'), stdout);
  t.true(stdout.includes('*:argument:_files'));
});

test('a shell that there is no script for is bad usage', async (t) => {
  const { code, stderr } = await command(['completion', 'tcsh'], temporaryDirectory(t));
  t.is(code, 2);
  t.regex(stderr, /Allowed choices are bash, zsh, fish/);
});
