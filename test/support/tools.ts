import { spawnSync } from 'node:child_process';

/** An environment in which programs of system administration are found too. */
export const kToolEnvironment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** Whether a command succeeds. */
const succeeds = (script: string) => spawnSync('bash', ['-c', script], { env: kToolEnvironment }).status === 0;

/**
 * Whether tests that need a program can run. Without it they are skipped, with a line; where CI is set they must not be, and fail.
 *
 * @param debian The package that it is in.
 */
export function hasProgram(name: string, debian: string): boolean {
  if (succeeds(`command -v ${name}`)) return true;
  const message = `${name} is not installed (apt-get install ${debian})`;
  if (process.env.CI) throw new Error(message);
  console.warn(`${message}: its tests are skipped`);
  return false;
}

/** Whether a script that undoes what it does succeeds, as a sign of a privilege; without it tests are skipped, with a line. */
export function isAllowed(what: string, script: string): boolean {
  if (succeeds(script)) return true;
  console.warn(`${what} is not possible here: its tests are skipped`);
  return false;
}

/** Run a script of the shell to its end; throws with what it printed if it fails. */
export function shell(script: string): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', script], { encoding: 'utf8', env: kToolEnvironment });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}
