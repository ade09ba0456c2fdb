/**
 * Statements that workers send to PostgreSQL, by its own count (pg_stat_statements): per minute of a worker without work, and per job.
 *
 *     npx tsx benchmarks/cluster-queries.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cluster } from '../lib/index.js';
import { PostgresServer } from '../test/support/postgres.js';

const kIdleSeconds = 60;

const study = {
  name: 'queries',
  seed: 7,
  experiment: {
    kind: 'known-prompt',
    mixture: { tokens: 32, dimension: 100, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
    head: { kind: 'least-squares' },
  },
  method: 'dense',
  factors: { examples: [200, 220, 240, 260, 280, 300, 320, 340], inverseTemperature: [0, 0.25, 0.5, 0.75] },
  testDraws: 100,
  trials: { minimum: 64, maximum: 1024, standardError: 0.0012 },
} as const;

const postgres = await PostgresServer.start({ shared_preload_libraries: 'pg_stat_statements' });
try {
  const { url } = postgres;
  await postgres.query('create extension pg_stat_statements');
  const reset = () => postgres.query('select pg_stat_statements_reset()');
  const statements = async () => {
    const [row] = await postgres.query(
      "select sum(calls) as calls from pg_stat_statements where query not like '%pg_stat_statements%'",
    );
    return Number(row?.calls);
  };
  /** The statements sent most often. */
  const print = async (per: number, unit: string) => {
    const rows = await postgres.query(
      `select calls, regexp_replace(left(query, 90), '\\s+', ' ', 'g') as text from pg_stat_statements
       where query not like '%pg_stat_statements%' order by calls desc limit 16`,
    );
    for (const { calls, text } of rows) console.log(`  ${(Number(calls) / per).toFixed(2)} ${unit}: ${text}`);
  };

  const controller = new AbortController();
  const idle = cluster.work({ url, threads: 1, signal: controller.signal });
  await sleep(5000);
  await reset();
  await sleep(1000 * kIdleSeconds);
  const perMinute = (await statements()) * (60 / kIdleSeconds);
  console.log(`a worker without work: ${perMinute} statements per minute`);
  await print(kIdleSeconds / 60, 'per minute');
  controller.abort();
  await idle;

  const { id } = await cluster.submit(study, { url });
  await reset();
  let jobs = 0;
  await cluster.work({
    url,
    threads: 1,
    untilDone: true,
    onEvent: ({ kind }) => {
      jobs += kind === 'job' ? 1 : 0;
    },
  });
  console.log(`${jobs} jobs: ${((await statements()) / jobs).toFixed(1)} statements per job`);
  await print(jobs, 'per job');
  await cluster.remove({ url, id });
} finally {
  await postgres.remove();
}
