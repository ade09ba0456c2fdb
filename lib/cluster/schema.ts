import { StoreError } from '../base/errors.js';
import { type ClusterConnection, kSchema, type ServerClock, type SqlRunner } from './connection.js';
import { installQueues, kQueueSchema } from './queue.js';

/**
 * Version of the tables of a cluster beside those of results, which have a version of their own in every study. 1: those of
 * results and of the queue alone, without a version; 2: workers, engines, this version.
 */
export const kSchemaVersion = 2;

/** What leads from the version before to each version. */
const kSteps: Readonly<Record<number, readonly string[]>> = {
  2: [
    `create table ${kSchema}.version (version integer primary key, package text not null, migrated timestamptz not null default now())`,
    // One row per worker process, renewed every few seconds; `refusal` is why it leaves a study alone.
    `create table ${kSchema}.worker (
      id text primary key, host text not null, process integer not null, engine text not null, package text not null,
      threads integer not null, started timestamptz not null default now(), seen timestamptz not null default now(),
      jobs bigint not null default 0, trials bigint not null default 0, refusal text)`,
    // The engine that a study is computed by: that of the first worker to take a job of it.
    `create table ${kSchema}.submission (study text primary key, engine text, mixed_engines boolean not null default false)`,
    `insert into ${kSchema}.submission (study, engine, mixed_engines)
      select study.id, min(run.engine), count(distinct run.engine) > 1
      from ${kSchema}.study left join ${kSchema}.run on run.study = study.id group by study.id`,
    // Whoever submits a study needs a queue of it, that is a table, and need not own the schema for that.
    ...['create_queue(text, json)', 'delete_queue(text)'].flatMap((name) => [
      `alter function ${kQueueSchema}.${name} security definer`,
      `alter function ${kQueueSchema}.${name} set search_path = pg_catalog, pg_temp`,
      `revoke all on function ${kQueueSchema}.${name} from public`,
    ]),
    // Jobs of version 1 were forgotten when they had waited for a fortnight.
    `update ${kQueueSchema}.job set keep_until = 'infinity' where state < 'completed'`,
  ],
};

/** The version of the tables there; 0 if there are none. Sets `clock`. */
export async function schemaVersion(runner: SqlRunner, clock?: ServerClock): Promise<number> {
  const { rows } = await runner.executeSql(
    `select to_regclass('${kSchema}.study') is not null as tables, to_regclass('${kSchema}.version') is not null as versioned,
     extract(epoch from clock_timestamp())::float8 as now`,
    [],
  );
  const { tables, versioned, now } = rows[0] as { tables: boolean; versioned: boolean; now: number };
  clock?.set(now);
  if (!tables) return 0;
  if (!versioned) return 1;
  const found = await runner.executeSql(`select max(version) as version from ${kSchema}.version`, []);
  return (found.rows[0] as { version: number }).version;
}

/** What is wrong with tables of a version that is not this package's. */
export function versionError(where: string, version: number): StoreError {
  const both = `has tables of version ${version}, and this version of prompt-attention uses version ${kSchemaVersion}`;
  if (version === 0)
    return new StoreError(`${where}: has no tables of prompt-attention; prompt-attention cluster migrate makes them`);
  return new StoreError(
    version < kSchemaVersion
      ? `${where}: ${both}; prompt-attention cluster migrate brings them there, and older workers should be stopped before`
      : `${where}: ${both}; use a newer version of prompt-attention here`,
  );
}

/** Make the tables, or bring them to the version of this package. Returns the version that they had, 0 if there were none. */
export async function migrateSchema(connection: ClusterConnection, packageVersion: string): Promise<number> {
  const before = await schemaVersion(connection.runner);
  if (before > kSchemaVersion) throw versionError(connection.store.where, before);
  await installQueues(connection);
  if (before === kSchemaVersion) return before;
  await connection.exclusively(async (store, runner) => {
    await runner.executeSql(`create schema if not exists ${kSchema}`, []);
    await store.createTables();
    // Somebody else may have been first.
    for (let version = await schemaVersion(runner); version < kSchemaVersion; version++) {
      for (const step of kSteps[version + 1] as readonly string[]) await runner.executeSql(step, []);
      await runner.executeSql(`insert into ${kSchema}.version (version, package) values ($1, $2)`, [
        version + 1,
        packageVersion,
      ]);
    }
  });
  return before;
}

/** What somebody does with a cluster. */
export type ClusterPart = 'readers' | 'submitters' | 'workers';

const kBoth = `${kSchema}, ${kQueueSchema}`;

/** The least privileges of each part, in SQL with ROLE for the role. */
const kGrants: Readonly<Record<ClusterPart, readonly string[]>> = {
  readers: [
    `grant usage on schema ${kBoth} to ROLE`,
    `grant select on all tables in schema ${kSchema} to ROLE`,
    `grant select on ${kQueueSchema}.job, ${kQueueSchema}.queue, ${kQueueSchema}.version to ROLE`,
  ],
  submitters: [
    `grant insert, delete on ${kSchema}.study, ${kSchema}.cell, ${kSchema}.submission to ROLE`,
    `grant update (trials) on ${kSchema}.study to ROLE`,
    `grant update (finished) on ${kSchema}.cell to ROLE`,
    `grant update (engine, mixed_engines) on ${kSchema}.submission to ROLE`,
    `grant delete on ${kSchema}.batch, ${kSchema}.run to ROLE`,
    `grant insert, update, delete on ${kQueueSchema}.job to ROLE`,
    `grant execute on function ${kQueueSchema}.create_queue(text, json), ${kQueueSchema}.delete_queue(text) to ROLE`,
  ],
  workers: [
    `grant insert on ${kSchema}.batch, ${kSchema}.run, ${kSchema}.submission to ROLE`,
    `grant update (finished) on ${kSchema}.run to ROLE`,
    `grant update (theory, theory_done, finished) on ${kSchema}.cell to ROLE`,
    `grant update (engine) on ${kSchema}.submission to ROLE`,
    `grant insert, update, delete on ${kSchema}.worker to ROLE`,
    `grant insert, update, delete on ${kQueueSchema}.job to ROLE`,
    `grant update (maintained_on) on ${kQueueSchema}.version to ROLE`,
    `grant select, insert, delete on ${kQueueSchema}.archive to ROLE`,
  ],
};

/**
 * Grant a role what it needs for its part, reading included.
 *
 * @throws {@link StoreError} if the user does not own the tables: the server would grant nothing and not say so.
 */
export async function grantPart(
  { store }: ClusterConnection,
  runner: SqlRunner,
  part: ClusterPart,
  role: string,
): Promise<void> {
  const { rows } = await runner.executeSql(
    `select bool_and(pg_has_role(nspowner, 'usage')) as owns from pg_namespace where nspname in ('${kSchema}', '${kQueueSchema}')`,
    [],
  );
  if (!(rows[0] as { owns: boolean }).owns)
    throw new StoreError(`${store.where}: only the owner of the tables grants what roles need`);
  const quoted = `"${role.replaceAll('"', '""')}"`;
  const parts = part === 'readers' ? kGrants.readers : [...kGrants.readers, ...kGrants[part]];
  for (const grant of parts)
    await runner.executeSql(
      grant.replace('ROLE', () => quoted),
      [],
    );
}
