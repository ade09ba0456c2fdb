import { readFileSync } from 'node:fs';
import { StoreError } from './errors.js';

/** What to write to install packages that nobody needs who does not ask for them, in the versions that this package works with. */
export function installCommand(packages: readonly string[]): string {
  const { dependencies, peerDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as {
    dependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
  };
  // `^6.4.0` as 6, `^0.17.0` as 0.17: nothing that a shell would read.
  const versioned = packages.map(
    (name) => `${name}@${/^\^(0\.\d+|\d+)/.exec({ ...dependencies, ...peerDependencies }[name] ?? '')?.[1]}`,
  );
  return `npm install ${versioned.join(' ')}`;
}

/** Whether an error of `import` or `require` says that there is no such package. */
export function isMissingPackage(error: unknown): boolean {
  return /^(ERR_)?MODULE_NOT_FOUND$/.test(String((error as { code?: unknown } | null)?.code));
}

/**
 * Load packages that are installed by who wants them.
 *
 * @param purpose Who asks for them, in the plural.
 * @throws {@link StoreError} if they are not installed: what to install.
 */
export async function loadOptional<Module>(
  purpose: string,
  packages: readonly string[],
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissingPackage(cause)) throw cause;
    throw new StoreError(`${purpose} need packages that are not installed: ${installCommand(packages)}`, { cause });
  }
}
