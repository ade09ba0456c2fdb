import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { smallStudy, temporaryDirectory } from './support.js';

/** Answers every request for a lock as a file system without locks does. */
const kWithoutLocks = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
static int answer(const char* name, int file, int request, void* argument) {
  if (request == F_SETLK || request == F_SETLKW) {
    errno = ENOLCK;
    return -1;
  }
  int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
  return real(file, request, argument);
}
#define DEFINE(name)                                                \\
  int name(int file, int request, ...) {                            \\
    va_list rest;                                                   \\
    va_start(rest, request);                                        \\
    void* argument = va_arg(rest, void*);                           \\
    va_end(rest);                                                   \\
    return answer(#name, file, request, argument);                  \\
  }
DEFINE(fcntl)
DEFINE(fcntl64)
`;

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('a file system without locks is called that, and nothing is left there', async (t) => {
  const directory = temporaryDirectory(t);
  const tools = temporaryDirectory(t);
  const library = join(tools, 'without-locks.so');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, '-x', 'c', '-', '-ldl'], { input: kWithoutLocks });
  const environment = { LD_PRELOAD: [process.env.LD_PRELOAD, library].join(' ').trim() };
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 2 }));
  const refused = await command(['run', 'study.yaml', '--out', 'x.sqlite'], directory, environment);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^prompt-attention: x.sqlite: lies on a file system without file locks, .*local disk/);
  t.deepEqual(readdirSync(directory), ['study.yaml']);
  const out = join(directory, 'x.sqlite');
  await run({ ...smallStudy, trials: 2 }, { out });
  const status = await command(['status', 'x.sqlite'], directory, environment);
  t.is(status.code, 1);
  t.regex(status.stderr, /^prompt-attention: x.sqlite: lies on a file system without file locks/);
  t.deepEqual(readdirSync(directory).sort(), ['study.yaml', 'x.sqlite']);
});
