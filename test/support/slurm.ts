import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './port.js';

const kPrograms = ['slurmctld', 'slurmd', 'sbatch', 'munged'];

/** Why tests that need Slurm are skipped; undefined if they can run. */
export function slurmObstacle(): string | undefined {
  // Its daemons change users.
  if (process.getuid?.() !== 0) return 'Slurm of a test needs root';
  const missing = kPrograms.filter((name) => {
    try {
      execFileSync('bash', ['-c', `PATH=$PATH:/usr/sbin command -v ${name}`], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  return missing.length > 0 ? `${missing.join(', ')} not installed (apt-get install slurm-wlm munge)` : undefined;
}

/** A Slurm of a test's own: one node, this machine, on the loopback interface. */
export class Slurm {
  private readonly daemons: ChildProcess[] = [];

  private constructor(private readonly directory: string) {}

  /** The environment in which Slurm's commands find it. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, SLURM_CONF: join(this.directory, 'slurm.conf') };
  }

  static async start(cpus: number): Promise<Slurm> {
    const directory = mkdtempSync(join(tmpdir(), 'slurm-'));
    chmodSync(directory, 0o755);
    const slurm = new Slurm(directory);
    const at = (name: string) => join(directory, name);
    mkdirSync(at('state'));
    mkdirSync(at('spool'));
    writeFileSync(at('munge.key'), 'k'.repeat(64), { mode: 0o600 });
    const host = hostname().split('.')[0];
    const configuration = {
      ClusterName: 'test',
      SlurmctldHost: `${host}(127.0.0.1)`,
      SlurmctldPort: await freePort(),
      SlurmdPort: await freePort(),
      SlurmUser: 'root',
      SlurmdUser: 'root',
      AuthType: 'auth/munge',
      // A requeued job waits until its credential has expired.
      AuthInfo: `socket=${at('munge.socket')},cred_expire=10`,
      StateSaveLocation: at('state'),
      SlurmdSpoolDir: at('spool'),
      SlurmctldPidFile: at('slurmctld.pid'),
      SlurmdPidFile: at('slurmd.pid'),
      SlurmctldLogFile: at('slurmctld.log'),
      SlurmdLogFile: at('slurmd.log'),
      MailProg: '/bin/true',
      ProctrackType: 'proctrack/linuxproc',
      TaskPlugin: 'task/none',
      JobAcctGatherType: 'jobacct_gather/none',
      SelectType: 'select/cons_tres',
      SelectTypeParameters: 'CR_CPU',
      SchedulerParameters: 'batch_sched_delay=0,sched_interval=1,bf_interval=1',
      OverTimeLimit: 0,
      KillWait: 5,
      ReturnToService: 2,
    };
    const megabytes = Math.floor((totalmem() / 2 ** 20) * 0.9);
    const lines = [
      ...Object.entries(configuration).map(([name, value]) => `${name}=${value}`),
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=${cpus} RealMemory=${megabytes} State=UNKNOWN`,
      'PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
    ];
    writeFileSync(at('slurm.conf'), `${lines.join('\n')}\n`);
    const munge = ['--foreground', '--force', `--key-file=${at('munge.key')}`, `--socket=${at('munge.socket')}`];
    slurm.spawn('munged', [
      ...munge,
      `--pid-file=${at('munge.pid')}`,
      `--log-file=${at('munge.log')}`,
      `--seed-file=${at('munge.seed')}`,
    ]);
    slurm.spawn('slurmctld', ['-D', '-c', '-f', at('slurm.conf')]);
    slurm.spawn('slurmd', ['-D', '-f', at('slurm.conf')]);
    for (let attempt = 0; ; attempt++) {
      const idle = slurm.command('sinfo', '-h', '-o', '%T').trim();
      if (idle === 'idle') return slurm;
      if (attempt > 150) {
        const said = ['munge.log', 'slurmctld.log', 'slurmd.log'].map((name) => slurm.read(name)).join('\n');
        await slurm.remove();
        throw new Error(`Slurm does not start: ${idle}\n${said}`);
      }
      await sleep(100);
    }
  }

  private spawn(program: string, args: readonly string[]): void {
    const env = { ...this.environment, PATH: `${process.env.PATH}:/usr/sbin` };
    const daemon = spawn(program, args, { cwd: this.directory, stdio: 'ignore', env });
    daemon.on('error', () => {});
    this.daemons.push(daemon);
  }

  private read(name: string): string {
    try {
      return readFileSync(join(this.directory, name), 'utf8');
    } catch {
      return '';
    }
  }

  /** What a command of Slurm prints; empty if it fails. */
  command(program: string, ...args: string[]): string {
    try {
      return execFileSync(program, args, {
        env: this.environment,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    } catch {
      return '';
    }
  }

  /** Wait until no job is left, and return the states of those of an array or of one job. */
  async untilDone(job: string): Promise<readonly string[]> {
    for (;;) {
      const states = this.command('squeue', '-h', '-t', 'all', '-r', '-j', job, '-o', '%T').trim().split('\n');
      if (states.every((state) => !/^(PENDING|CONFIGURING|RUNNING|COMPLETING|REQUEUED|SUSPENDED)$/.test(state)))
        return states;
      await sleep(300);
    }
  }

  async remove(): Promise<void> {
    // Each in turn: they write their state when they end, and need those before for it.
    for (const daemon of [...this.daemons].reverse()) {
      const ended = new Promise((resolve) => daemon.once('exit', resolve));
      if (daemon.kill('SIGTERM')) await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
