import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './port.js';

const kPassword = 'a p@ss/word:with%signs';

/** The folder of PostgreSQL's programs: Debian's newest version, or what PATH has; undefined if there is none. */
function programs(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}

/**
 * Whether tests that need PostgreSQL can run. Without it they are skipped, with a line; where CI is set they must not be, and
 * fail.
 */
export function hasPostgres(): boolean {
  if (programs() !== undefined) return true;
  const message = 'PostgreSQL is not installed (apt-get install postgresql)';
  if (process.env.CI) throw new Error(message);
  console.warn(`${message}: its tests are skipped`);
  return false;
}

/** A PostgreSQL server of a test's own, on the loopback interface and a free port. */
export class PostgresServer {
  private server: ChildProcess | undefined;

  private constructor(
    /** Where it lives, its socket included. */
    readonly directory: string,
    readonly port: number,
    /** Settings beside those of every test. */
    private readonly settings: Readonly<Record<string, string | number>>,
    /** What starts a program in the place of the server, such as `ip netns exec NAME`. */
    private readonly launcher: readonly string[],
  ) {}

  /** The server refuses to run as root. */
  private static asUser(program: string, args: readonly string[]): readonly [string, readonly string[]] {
    const path = join(programs() as string, program);
    if (process.getuid?.() !== 0) return [path, args];
    return ['setpriv', ['--reuid=nobody', '--regid=nogroup', '--clear-groups', path, ...args]];
  }

  static async start(
    settings: Readonly<Record<string, string | number>> = {},
    { parent = tmpdir(), launcher = [] }: { readonly parent?: string; readonly launcher?: readonly string[] } = {},
  ): Promise<PostgresServer> {
    const directory = mkdtempSync(join(parent, 'prompt-attention-postgres-'));
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, kPassword);
    if (process.getuid?.() === 0) {
      const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
      for (const path of [directory, passwordFile]) chownSync(path, id('-u'), id('-g'));
    }
    const data = join(directory, 'data');
    const options = ['-D', data, '-U', 'tester', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '-N'];
    const [file, args] = PostgresServer.asUser('initdb', [...options, '--locale=C']);
    execFileSync(file, args, { cwd: directory, stdio: 'pipe' });
    const postgres = new PostgresServer(directory, await freePort(), settings, launcher);
    await postgres.up();
    return postgres;
  }

  get url(): string {
    return this.urlOf('tester');
  }

  /** The address for another role, with the same password, at another port, or with settings of the driver. */
  urlOf(role: string, { port = this.port, query = '' } = {}): string {
    return `postgres://${role}:${encodeURIComponent(kPassword)}@127.0.0.1:${port}/postgres${query}`;
  }

  /** The address by its socket, which needs no network. */
  get socketUrl(): string {
    const [host, password] = [this.directory, kPassword].map(encodeURIComponent);
    return `postgres://tester:${password}@${host}:${this.port}/postgres`;
  }

  /** Put a line before the others of pg_hba.conf. */
  async configureAccess(line: string): Promise<void> {
    const file = join(this.directory, 'data', 'pg_hba.conf');
    writeFileSync(file, `${line}\n${readFileSync(file, 'utf8')}`);
    await this.query('select pg_reload_conf()');
  }

  /** Make a role that may log in with the password of the tests, and nothing else. */
  async makeRole(role: string): Promise<void> {
    await this.query(`create role ${role} login password '${kPassword}'`);
  }

  /** Forms of the password that must not be printed. */
  get secrets(): readonly string[] {
    return [kPassword, encodeURIComponent(kPassword)];
  }

  /** Start the server and wait until it answers. */
  async up(): Promise<void> {
    const own = {
      listen_addresses: '127.0.0.1',
      port: this.port,
      unix_socket_directories: this.directory,
      fsync: 'off',
    };
    const settings = { ...own, ...this.settings };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const [program, args] = PostgresServer.asUser('postgres', ['-D', join(this.directory, 'data'), ...flags]);
    const [file, ...rest] = [...this.launcher, program, ...args] as [string];
    this.server = spawn(file, rest, { cwd: this.directory, stdio: 'ignore' });
    for (;;) {
      if (this.server.exitCode !== null) throw new Error(`the PostgreSQL server ended with ${this.server.exitCode}`);
      try {
        await this.query('select 1');
        return;
      } catch {
        await sleep(50);
      }
    }
  }

  /** Stop the server at once; its clients lose their connections. With SIGKILL it has to recover when it is started again. */
  async down(signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    const server = this.server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await ended;
  }

  async query(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.socketUrl });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
