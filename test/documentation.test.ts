import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The TypeScript blocks of a Markdown file or of the doc comments of a source file. */
function codeBlocks(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/^ \* ?/gm, '');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1] as string);
}

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort();
}

// One process for all blocks: each is a module of its own, run in an empty folder that holds the result file they read.
test('every code block of README, guides and doc comments runs', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const files = ['README.md', ...filesUnder('docs', '.md'), ...filesUnder('lib', '.ts')];
  const blocks = files.flatMap((file) => codeBlocks(file).map((code) => ({ file, code })));
  t.true(blocks.length > 5);
  const library = JSON.stringify(new URL('../lib/index.ts', import.meta.url).href);
  const prepare = `import { study } from ${library};
await study.run(
  { name: 'benefit-of-context', seed: 1, experiment: { kind: 'known-prompt', mixture: { tokens: 4, dimension: 10, relevantTokens: 1,
    contextNorm: 1, signalNorm: 1 }, examples: 20, inverseTemperature: 1, head: { kind: 'averaging' } }, trials: 4 },
  { out: 'benefit-of-context.sqlite' },
);`;
  const modules = [{ file: 'preparation', code: prepare }, ...blocks];
  const main = modules.map(({ file, code }, i) => {
    writeFileSync(join(folder, `block-${i}.mts`), code.replaceAll("from 'prompt-attention'", `from ${library}`));
    return `try { await import('./block-${i}.mts'); } catch (error) { console.error(${JSON.stringify(file)}, error); process.exitCode = 1; }`;
  });
  writeFileSync(join(folder, 'main.mts'), main.join('\n'));
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), 'main.mts'], {
    cwd: folder,
    timeout: 120_000,
  }).catch((error: { stderr: string }) => error);
  t.is(stderr, '');
});
