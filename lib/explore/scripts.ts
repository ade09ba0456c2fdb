import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../base/errors.js';
import type { PageFile } from './server.js';

function scriptFile(path: string, instruct: string): PageFile {
  return {
    type: 'text/javascript',
    async read() {
      try {
        return await readFile(path);
      } catch (cause) {
        throw new StoreError(`${path}: cannot be read: ${instruct}`, { cause });
      }
    },
  };
}

/** A script of the pages, by its name beside this file. */
export const script = (name: string): PageFile =>
  scriptFile(fileURLToPath(new URL(name, import.meta.url)), 'npm run build:ts makes it');

/** What a package has for browsers, beside what it has for Node. */
export function scriptOfPackage(name: string, file: string): PageFile {
  const main = createRequire(import.meta.url).resolve(name);
  return scriptFile(join(dirname(main), file), `install the package ${name} again`);
}
