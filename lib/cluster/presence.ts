import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { engineInfo } from '../base/engine.js';
import { type ClusterConnection, kSchema } from './connection.js';
import { kSchemaVersion, versionError } from './schema.js';

const kBeatMilliseconds = 10_000;
/** A worker that was killed is listed for so long. */
const kForgottenAfter = '1 day';

/** What a worker tells the others about itself, every few seconds. */
export class Presence {
  /** Random, 16 hexadecimal digits. */
  readonly id = randomBytes(8).toString('hex');
  readonly host = hostname();
  jobs = 0;
  trials = 0;
  /** The tables were brought to another version: nothing more may be written. */
  failure: Error | undefined;
  private timer: NodeJS.Timeout | undefined;
  private refusal: string | undefined;

  constructor(
    private readonly connection: ClusterConnection,
    private readonly threads: number,
    private readonly onBeat: () => void,
  ) {}

  /** Tell of the worker now, and from now on. */
  async begin(): Promise<void> {
    const { runner } = this.connection;
    await runner.executeSql(`delete from ${kSchema}.worker where seen < now() - interval '${kForgottenAfter}'`, []);
    await this.beat();
    this.timer = setInterval(() => this.tell(), kBeatMilliseconds);
  }

  /** Tell why it leaves a study alone, or that it takes any. */
  refuse(reason: string | undefined): void {
    if (reason === this.refusal) return;
    this.refusal = reason;
    this.tell();
  }

  private tell(): void {
    // While the server is away nobody hears it.
    this.beat().catch(() => {});
  }

  private async beat(): Promise<void> {
    const { version, fingerprint } = engineInfo();
    const values = [this.id, this.host, process.pid, fingerprint, version, this.threads];
    const { rows } = await this.connection.runner.executeSql(
      `insert into ${kSchema}.worker (id, host, process, engine, package, threads, jobs, trials, refusal)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (id) do update set seen = now(), jobs = excluded.jobs, trials = excluded.trials, refusal = excluded.refusal
       returning (select max(version) from ${kSchema}.version) as version, extract(epoch from clock_timestamp())::float8 as now`,
      [...values, this.jobs, this.trials, this.refusal ?? null],
    );
    const { version: present, now } = rows[0] as { version: number; now: number };
    this.connection.clock.set(now);
    if (present !== kSchemaVersion) this.failure = versionError(this.connection.store.where, present);
    this.onBeat();
  }

  /** Stop telling, and have it forgotten. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.connection.runner.executeSql(`delete from ${kSchema}.worker where id = $1`, [this.id]);
  }
}
