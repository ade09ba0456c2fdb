// A registry of npm on this machine, Verdaccio: it has what is published to it, and everything else from the registry that npm is
// configured with. What is installed by name is then what a release would be.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const kStartSeconds = 60;

const configured = (name) => {
  const value = execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  return value === 'null' ? undefined : value;
};

/** Installs packages of the public registry into `folder`, where the programs of the checks come from. */
export function installTools(folder, packages) {
  mkdirSync(folder, { recursive: true });
  // Verdaccio asks for node-fetch by a tag that not every registry has.
  const manifest = { private: true, overrides: { 'node-fetch': '2.7.0' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...packages], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return join(folder, 'node_modules');
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts Verdaccio of `modules` with its files below `folder`.
 *
 * @returns Its URL; what puts tarballs into it; what stops it.
 */
export async function startRegistry(modules, folder) {
  mkdirSync(folder);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  // A file of certificates, where the machine needs one to reach the registry.
  const ca = configured('cafile');
  const own = { access: '$all', publish: '$all' };
  const settings = {
    storage: join(folder, 'storage'),
    uplinks: { public: { url: configured('registry'), timeout: '60s', ...(ca && { ca: readFileSync(ca, 'utf8') }) } },
    packages: { '@prompt-attention/*': own, 'prompt-attention': own, '**': { access: '$all', proxy: 'public' } },
    max_body_size: '100mb',
    log: { type: 'file', path: join(folder, 'log'), level: 'warn' },
  };
  // JSON is YAML.
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(settings));
  const { bin } = JSON.parse(readFileSync(join(modules, 'verdaccio', 'package.json'), 'utf8'));
  const program = join(modules, 'verdaccio', bin.verdaccio ?? bin);
  const server = spawn(process.execPath, [program, '--config', file, '--listen', `127.0.0.1:${port}`], {
    stdio: 'ignore',
  });
  const begin = performance.now();
  for (;;) {
    if (
      await fetch(`${url}-/ping`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    if (server.exitCode !== null || performance.now() - begin > kStartSeconds * 1000) {
      server.kill();
      throw new Error(`Verdaccio did not start: ${readFileSync(settings.log.path, 'utf8')}`);
    }
    await wait(100);
  }
  return {
    url,
    publish(tarball) {
      const rc = join(folder, 'npmrc');
      // npm insists on a token; this registry asks for none.
      writeFileSync(rc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=nobody\n`);
      execFileSync('npm', ['publish', tarball, '--userconfig', rc, '--loglevel=error'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    },
    async stop() {
      server.kill();
      if (server.exitCode === null) await new Promise((resolve) => server.once('exit', resolve));
      rmSync(folder, { recursive: true });
    },
  };
}
