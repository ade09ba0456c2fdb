import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpus, hostname } from 'node:os';
import { promisify } from 'node:util';
import { engineInfo } from '../base/engine.js';

/** What computed the trials of a run, and where. */
export interface Provenance {
  /** Version of this package. */
  readonly version: string;
  /** Node version. */
  readonly node: string;
  /** Commit of the Git repository that the command ran in, followed by `+` if files were changed; null outside of one. */
  readonly commit: string | null;
  /** Compiler of the addon. */
  readonly compiler: string;
  /** SIMD target of the samplers. */
  readonly simdTarget: string;
  /** OpenBLAS kernel set. */
  readonly blasCore: string;
  /** OpenBLAS build. */
  readonly blasConfig: string;
  /** Model name of the processor. */
  readonly processor: string;
  /** Operating system and architecture. */
  readonly platform: string;
}

/** One process that computed something of a study. */
export interface StudyRun extends Provenance {
  /** Random, 16 hexadecimal digits. */
  readonly id: string;
  /** Name of the machine. */
  readonly host: string;
  /** Engine fingerprint. */
  readonly engine: string;
  /** `1/3` for the first of three shards; null for a run of the whole study. */
  readonly shard: string | null;
  /** ISO 8601. */
  readonly started: string;
  /** ISO 8601; null if the process was killed or still runs. */
  readonly finished: string | null;
}

async function gitCommit(): Promise<string | null> {
  const git = async (...args: string[]) => (await promisify(execFile)('git', args)).stdout.trim();
  try {
    const [commit, changes] = await Promise.all([git('rev-parse', 'HEAD'), git('status', '--porcelain', '-uno')]);
    return changes === '' ? commit : `${commit}+`;
  } catch {
    // No git, or not in a repository.
    return null;
  }
}

/** The run that this process begins. */
export async function beginRun(shard: string | null): Promise<StudyRun> {
  const { version, node, compiler, simdTarget, blasCore, blasConfig, fingerprint } = engineInfo();
  return {
    id: randomBytes(8).toString('hex'),
    host: hostname(),
    engine: fingerprint,
    shard,
    started: new Date().toISOString(),
    finished: null,
    version,
    node,
    commit: await gitCommit(),
    compiler,
    simdTarget,
    blasCore,
    blasConfig: blasConfig.trim(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    platform: `${process.platform} ${process.arch}`,
  };
}
