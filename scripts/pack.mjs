// `npm run pack:all -- [FOLDER]`: the tarballs of a release: the package, which has no script that runs on installation, and a package
// per platform with the addon, which it names as optional dependencies. The checkout does not name them: npm would ask the registry for
// packages of the very version that is being made. `npm pack` makes one tarball with the addon in it (scripts/prepare.mjs).
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildArm64, buildX64, kParts, whyNoArm64 } from './portable-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const kReadme = `The native addon of [prompt-attention](https://www.npmjs.com/package/prompt-attention) for one platform, with the library
that it needs beside it. It is installed by that package.
`;

/** Each platform with what makes the addon for it, and with why that cannot be done here. */
const kPlatforms = [
  { cpu: 'x64', build: buildX64, whyNot: () => undefined },
  { cpu: 'arm64', build: buildArm64, whyNot: whyNoArm64 },
];

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const nameFor = (cpu) => `@prompt-attention/linux-${cpu}-gnu`;

/** Packs a folder with such a package.json. */
function pack(folder, content, out) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', out], { cwd: folder, encoding: 'utf8' });
  const [{ filename, size, files, unpackedSize }] = JSON.parse(output);
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(`${filename}: ${megabytes(size)}, ${files.length} files of ${megabytes(unpackedSize)}`);
}

function packPlatform(stage, { cpu, build }, out) {
  const { version, license, engines } = manifest;
  const folder = join(stage, cpu);
  cpSync(build(), folder, { recursive: true });
  for (const file of ['LICENSE', 'THIRD-PARTY-LICENSES.txt']) copyFileSync(join(root, file), join(folder, file));
  writeFileSync(join(folder, 'README.md'), kReadme);
  const content = {
    name: nameFor(cpu),
    version,
    description: `The native addon of prompt-attention for Linux on ${cpu} with glibc`,
    license,
    engines,
    os: ['linux'],
    cpu: [cpu],
    libc: ['glibc'],
    main: 'prompt_attention.node',
    files: [...kParts, 'THIRD-PARTY-LICENSES.txt'],
    preferUnplugged: true,
  };
  pack(folder, content, out);
}

/** The package names the addons that are in the same release: yarn fails where one that is named is in no registry. */
function packMain(stage, platforms, out) {
  // What was compiled from files that are gone must not stay.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  execFileSync('npm', ['run', 'build:ts'], { cwd: root, stdio: ['ignore', 2, 2] });
  const folder = join(stage, 'main');
  const files = manifest.files.filter((file) => file !== 'prebuilds');
  for (const file of [...files, 'README.md', 'LICENSE'])
    cpSync(join(root, file), join(folder, file), { recursive: true });
  const { scripts: _scripts, ava: _ava, gypfile: _gypfile, ...content } = manifest;
  const optionalDependencies = Object.fromEntries(platforms.map(({ cpu }) => [nameFor(cpu), manifest.version]));
  pack(folder, { ...content, files, optionalDependencies }, out);
}

const out = resolve(process.argv[2] ?? '.');
mkdirSync(out, { recursive: true });
const stage = mkdtempSync(join(tmpdir(), 'prompt-attention-pack-'));
try {
  const made = kPlatforms.filter(({ cpu, whyNot }) => {
    const reason = whyNot();
    if (reason !== undefined) console.log(`${nameFor(cpu)} is not made, and not named by the package: ${reason}`);
    return reason === undefined;
  });
  for (const platform of made) packPlatform(stage, platform, out);
  packMain(stage, made, out);
} finally {
  rmSync(stage, { recursive: true });
}
