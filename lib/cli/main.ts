#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, CommanderError } from 'commander';
import { buildCommand } from './build.js';
import { clusterCommand } from './cluster/cluster.js';
import { slurmCommand } from './cluster/slurm.js';
import { workerCommand } from './cluster/worker.js';
import { completionCommand } from './completion/completion.js';
import { complexityCommand } from './complexity.js';
import { doctorCommand } from './doctor.js';
import { errorLine, exitCodeOf } from './errors.js';
import { exploreCommand } from './explore.js';
import { exportCommand } from './export.js';
import { imagesCommand } from './images.js';
import { initCommand } from './init.js';
import { mergeCommand } from './merge.js';
import { reportCommand } from './report.js';
import { riskCommand } from './risk.js';
import { runCommand } from './run.js';
import { schemaCommand } from './schema.js';
import { separationCommand } from './separation.js';
import { statusCommand } from './status.js';
import { textCommand } from './text.js';

// A reader that closes the pipe early (`… | head`) ends the output, not with an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('prompt-attention')
  .description('Simulate, train and predict prompt-tuning of one-layer attention under the contextual mixture model.')
  .version(version)
  .option('--import <file>', 'JavaScript module to load first: one that defines experiments of your own')
  .hook('preAction', async (own) => {
    const { import: path } = own.opts<{ import?: string }>();
    if (path === undefined) return;
    try {
      await import(pathToFileURL(resolve(path)).href);
    } catch (cause) {
      own.error(`--import ${path}: the module cannot be loaded (${(cause as Error).message})`);
    }
  })
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 failed, 2 bad usage or input, 130 interrupted (everything finished is kept).',
  );
const commands = [
  initCommand(),
  schemaCommand(),
  runCommand(),
  statusCommand(),
  reportCommand(),
  exportCommand(),
  mergeCommand(),
  slurmCommand(),
  workerCommand(),
  clusterCommand(),
  riskCommand(),
  separationCommand(),
  exploreCommand(),
  complexityCommand(),
  imagesCommand(),
  textCommand(),
  doctorCommand(),
  buildCommand(),
  completionCommand(),
];
for (const command of commands) program.addCommand(command);
for (const command of [program, ...commands, ...commands.flatMap((parent) => parent.commands)])
  command.exitOverride().configureOutput({ outputError: (text, write) => write(errorLine(text)) });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own errors already.
  if (!(error instanceof CommanderError)) process.stderr.write(errorLine(error));
  process.exitCode = exitCodeOf(error);
}
