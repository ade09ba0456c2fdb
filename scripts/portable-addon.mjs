// What an addon that goes to other machines may ask of them.
import { execFileSync } from 'node:child_process';

/** Libraries of the C library and of Node itself; libhwy lies beside the addon. */
const kAllowed = /^(lib(c|m|hwy|gcc_s)|ld-linux-(x86-64|aarch64))\.so\.\d+$/;
/** The oldest C library that the addon must load with: of Red Hat Enterprise Linux 9. */
const kNewestGlibc = 34;

/** Throws if the addon needs a library, or a version of the C library, that a machine with Node may lack. */
export function checkPortable(addon, objdump = 'objdump') {
  const dump = (option) => execFileSync(objdump, [option, addon], { encoding: 'utf8' });
  const needed = [...dump('-p').matchAll(/NEEDED +(\S+)/g)].map((match) => match[1]);
  const unexpected = needed.filter((name) => !kAllowed.test(name));
  if (unexpected.length > 0) throw new Error(`The portable addon needs ${unexpected.join(', ')}.`);
  const versions = [...dump('-T').matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
  if (Math.max(...versions) > kNewestGlibc)
    throw new Error(`The portable addon needs glibc 2.${Math.max(...versions)}.`);
}
