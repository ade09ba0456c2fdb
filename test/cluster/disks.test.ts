// Disks that are full: the server's, that of result files, and that of a worker's log.
import { readdirSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { submit, type WorkerEvent, work } from '../../lib/cluster/index.js';
import { open, run } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { hasPostgres, PostgresServer } from '../support/postgres.js';
import { isAllowed, shell } from '../support/tools.js';
import { isWhole, slowStudy, startWorker, until } from './support.js';

const canMount = isAllowed(
  'mounting a small disk',
  'd=$(mktemp -d); mount -t tmpfs none $d && umount $d; s=$?; rmdir $d; exit $s',
);

/** A disk of so many megabytes, and what fills it or makes room again. */
function smallDisk(t: ExecutionContext, megabytes: number) {
  const path = temporaryDirectory(t);
  shell(`mount -t tmpfs -o size=${megabytes}m,mode=755 none '${path}'`);
  t.teardown(() => shell(`umount -l '${path}'`));
  const filler = join(path, 'filler');
  return {
    path,
    fill(left = 0) {
      const { bavail, bsize } = statfsSync(path);
      shell(`head -c ${Math.max(bavail * bsize - left, 0)} /dev/zero > '${filler}'`);
    },
    makeRoom: () => truncateSync(filler),
  };
}

const ofDisks = canMount ? test.serial : test.serial.skip;
const ofServers = hasPostgres() ? test.serial : test.serial.skip;

(canMount ? ofServers : test.serial.skip)('the disk of the server is full for a while', async (t) => {
  const disk = smallDisk(t, 200);
  const postgres = await PostgresServer.start({}, { parent: disk.path });
  t.teardown(() => postgres.remove());
  const study = { ...slowStudy, name: 'full' };
  await submit(study, { url: postgres.url, expireSeconds: 3600 });
  const events: WorkerEvent[] = [];
  const ended = work({ url: postgres.url, untilDone: true, onEvent: (event) => events.push(event) });
  await until(async () => events.some(({ kind }) => kind === 'job'));
  disk.fill();
  await until(async () => events.some((event) => event.kind === 'server-away' && /disk is full/.test(event.reason)));
  disk.makeRoom();
  await ended;
  await isWhole(t, postgres, study);
});

ofServers('a worker whose log lies on a full disk goes on', async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.remove());
  const study = { ...smallStudy, name: 'unlogged' };
  await submit(study, { url: postgres.url });
  const launcher = ['bash', '-c', 'exec "$@" 2>/dev/full', 'bash'];
  const formats = ['json', 'text'].map((format) =>
    startWorker(t, postgres.url, ['--until-done', '--log', format], { launcher }),
  );
  for (const { finished } of formats) t.is((await finished).code, 0);
  await isWhole(t, postgres, study);
});

ofDisks(
  'the disk of a result file is full: a run can be continued, and what reads leaves nothing half written',
  async (t) => {
    const disk = smallDisk(t, 2);
    const study = { ...smallStudy, trials: { minimum: 64, maximum: 2000, standardError: 0 } };
    writeFileSync(join(disk.path, 'study.yaml'), JSON.stringify(study));
    const words = ['run', 'study.yaml', '--progress', 'none'];
    disk.fill(200_000);
    const full = await command(words, disk.path);
    t.is(full.code, 1);
    t.regex(
      full.stderr,
      /^prompt-attention: small.sqlite: cannot be written \(is the disk full, .*continues the study.*\n$/,
    );
    disk.makeRoom();
    const again = await command(words, disk.path);
    t.is(again.code, 0, again.stderr);
    const whole = await run(study, { out: join(temporaryDirectory(t), 'whole.sqlite') });
    const rows = async () => timeless((await open(join(disk.path, 'small.sqlite'))).rows);
    t.deepEqual(await rows(), timeless(whole.rows));
    const before = readdirSync(disk.path).sort();
    disk.fill();
    t.is((await command(['status', 'small.sqlite'], disk.path)).code, 0);
    for (const [args, message] of [
      [
        ['export', 'small.sqlite', '--format', 'csv', '--out', 'rows.csv'],
        /: rows.csv: cannot be written \(ENOSPC: is the disk full/,
      ],
      [
        ['export', 'small.sqlite', '--format', 'parquet', '--out', 'rows.parquet'],
        /: rows.parquet: cannot be written \(ENOSPC/,
      ],
      [['report', 'small.sqlite', '--out', 'report'], /: report\/\S+: cannot be written \(ENOSPC/],
      [
        ['merge', 'small.sqlite', '--out', 'merged.sqlite'],
        /: merged.sqlite: cannot be written \(.*nothing of it is kept/,
      ],
    ] as const) {
      const { code, stderr } = await command(args, disk.path);
      t.is(code, 1, args[0]);
      t.regex(stderr, message);
    }
    t.deepEqual(readdirSync(join(disk.path, 'report')), []);
    t.deepEqual(readdirSync(disk.path).sort(), [...before, 'report'].sort());
    t.deepEqual(await rows(), timeless(whole.rows));
  },
);
