import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { open } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { Slurm, slurmObstacle } from '../support/slurm.js';
import { command } from './support.js';

/** A study in a directory of its own, and the script for it. */
async function printed(t: ExecutionContext, study: object, ...args: string[]) {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'the study.yaml'), JSON.stringify(study));
  const { code, stdout, stderr } = await command(['slurm', 'the study.yaml', ...args], directory);
  t.is(code, 0, stderr);
  writeFileSync(join(directory, 'submit.sh'), stdout);
  return { directory, script: stdout };
}

test.serial('the script for Slurm submits an array with limits and a merge that depends on it', async (t) => {
  const study = { ...smallStudy, name: 'little' };
  const { directory, script } = await printed(t, study, '--tasks', '3', '--cpus', '2', '--partition', 'long');
  t.regex(script, /^#SBATCH --time=0-00:\d\d:00$/m);
  t.regex(script, /^#SBATCH --mem=\d+M$/m);
  // In place of Slurm: what is submitted is kept.
  writeFileSync(
    join(directory, 'sbatch'),
    'n=$(ls | grep -c "^job")\necho "$@" > "arguments$n"\ncat > "job$n"\necho "$((100 + n))"\n',
  );
  chmodSync(join(directory, 'sbatch'), 0o755);
  const env = { ...process.env, PATH: `${directory}:${process.env.PATH}` };
  const submitted = spawnSync('bash', ['submit.sh', '--array=2'], { cwd: directory, env, encoding: 'utf8' });
  t.is(submitted.stdout, 'array 100, then merge 101\n', submitted.stderr);
  t.is(
    spawnSync('cat', ['arguments0', 'arguments1'], { cwd: directory, encoding: 'utf8' }).stdout,
    '--parsable --array=2\n--parsable --dependency=afterok:100 --kill-on-invalid-dep=yes\n',
  );
  const task = (id: number) =>
    spawnSync('bash', ['job0'], { cwd: directory, env: { ...env, SLURM_ARRAY_TASK_ID: String(id) }, encoding: 'utf8' });
  for (const id of [1, 2, 3]) t.is(task(id).status, 0);
  const merged = spawnSync('bash', ['job1'], { cwd: directory, env, encoding: 'utf8' });
  t.is(merged.status, 0, merged.stderr);
  t.true(existsSync(join(directory, 'little-report')));
  t.is((await open(join(directory, 'little.sqlite'))).finishedCells, 4);
});

test.serial('more tasks than cells, and none, are refused', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 2 }));
  for (const [tasks, message] of [
    ['5', /tasks must be an integer up to 4, the number of cells; got 5/],
    ['0', /tasks must be an integer ≥ 1; got "0"/],
  ] as const) {
    const { code, stderr } = await command(['slurm', 'study.yaml', '--tasks', tasks], directory);
    t.is(code, 2);
    t.regex(stderr, message);
  }
});

/** What the script asks for where nothing else is asked for. */
const kKernels = { OPENBLAS_CORETYPE: process.env.OPENBLAS_CORETYPE ?? 'Haswell' };

const obstacle = slurmObstacle();
if (obstacle !== undefined) console.warn(`${obstacle}: its tests are skipped`);
const slurmTest = obstacle === undefined ? test.serial : test.serial.skip;

slurmTest(
  'a real Slurm runs the array, one task requeued and one cancelled and submitted again, and merges',
  async (t) => {
    const study = { ...smallStudy, trials: 4000, testDraws: 2000 };
    const { directory } = await printed(t, study, '--tasks', '4', '--cpus', '1');
    const slurm = await Slurm.start(2);
    t.teardown(() => slurm.remove());
    const submit = (...args: string[]) => {
      const env = { ...slurm.environment, ...kKernels };
      const { stdout, stderr } = spawnSync('bash', ['submit.sh', ...args], { cwd: directory, env, encoding: 'utf8' });
      const [, array = '', merge = ''] = /^array (\d+), then merge (\d+)\n$/.exec(stdout) ?? [];
      t.not(array, '', stderr);
      return { array, merge };
    };
    const first = submit();
    while (!/RUNNING/.test(slurm.command('squeue', '-h', '-j', `${first.array}_2`, '-o', '%T'))) await sleep(200);
    slurm.command('scontrol', 'requeue', `${first.array}_2`);
    slurm.command('scancel', `${first.array}_3`);
    const states = await slurm.untilDone(first.array);
    // A task that was cancelled before it began is not listed.
    t.is(states.filter((state) => state === 'COMPLETED').length, 3, states.join(' '));
    t.deepEqual(await slurm.untilDone(first.merge), ['CANCELLED']);
    const second = submit('--array=3');
    t.deepEqual(await slurm.untilDone(second.array), ['COMPLETED']);
    t.deepEqual(await slurm.untilDone(second.merge), ['COMPLETED']);
    const merged = await open(join(directory, 'small.sqlite'));
    const alone = await command(['run', 'the study.yaml', '--out', 'local.sqlite'], directory, kKernels);
    t.is(alone.code, 0, alone.stderr);
    t.deepEqual(timeless(merged.rows), timeless((await open(join(directory, 'local.sqlite'))).rows));
  },
);
