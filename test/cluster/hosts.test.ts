// Workers on hosts of their own, network namespaces, whose network loses what is sent.

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { submit } from '../../lib/cluster/index.js';
import { smallStudy } from '../study/support.js';
import { canMakeHosts, TestHosts } from '../support/hosts.js';
import { hasPostgres, PostgresServer } from '../support/postgres.js';
import { hasProgram } from '../support/tools.js';
import { count, isWhole, jobsIn, slowStudy, startWorker, until } from './support.js';

const withHosts =
  hasPostgres() && hasProgram('nft', 'nftables') && hasProgram('ip', 'iproute2') && canMakeHosts()
    ? test.serial
    : test.serial.skip;

/** A server on host 0, and hosts 1 to 3 for workers. */
async function start(t: ExecutionContext) {
  const hosts = TestHosts.make(4);
  t.teardown(() => hosts.remove());
  const postgres = await PostgresServer.start({ listen_addresses: '*' }, { launcher: hosts.on(0) });
  t.teardown(() => postgres.remove());
  await postgres.configureAccess('host all all 10.77.0.0/24 scram-sha-256');
  const url = postgres.url.replace('127.0.0.1', hosts.address(0));
  /** A worker on every host. */
  const startWorkers = (...args: string[]) =>
    [1, 2, 3].map((host) => startWorker(t, url, args, { launcher: hosts.on(host) }));
  return { hosts, postgres, startWorkers };
}

withHosts('a network that loses every fifth packet, each way', async (t) => {
  const { hosts, postgres, startWorkers } = await start(t);
  const study = { ...smallStudy, name: 'lossy' };
  await submit(study, { url: postgres.socketUrl, expireSeconds: 3600 });
  for (const host of [1, 2, 3]) hosts.lose(host, 20);
  const results = await Promise.all(startWorkers('--until-done').map(({ finished }) => finished));
  for (const { code, stderr } of results) t.is(code, 0, stderr);
  await isWhole(t, postgres, study);
});

/** Workers in the middle of a study meet with something, and finish it. */
async function meet(t: ExecutionContext, name: string, fault: (hosts: TestHosts) => Promise<void>) {
  const { hosts, postgres, startWorkers } = await start(t);
  const study = { ...slowStudy, name };
  const workers = startWorkers();
  // Without the server a worker does not begin.
  await until(async () => (await count(postgres, 'select count(*) from prompt_attention.worker')) === 3);
  const { id } = await submit(study, { url: postgres.socketUrl, expireSeconds: 3600 });
  await until(async () => (await jobsIn(postgres, id, 'completed')) > 0);
  await fault(hosts);
  await isWhole(t, postgres, study);
  for (const { child, finished } of workers) {
    child.kill('SIGTERM');
    const { code, stderr } = await finished;
    t.is(code, 0, stderr);
  }
}

// Longer ones by hand: PARTITIONS=30,120.
for (const seconds of (process.env.PARTITIONS ?? '1').split(',').map(Number))
  withHosts(`a partition of ${seconds} s between all workers and the server`, (t) =>
    meet(t, `parted-${seconds}`, async (hosts) => {
      for (const host of [1, 2, 3]) hosts.part(host);
      await sleep(1000 * seconds);
      hosts.heal();
    }),
  );

withHosts('links of two workers are taken down and up', (t) =>
  meet(t, 'links', async (hosts) => {
    for (const host of [1, 2]) hosts.link(host, 'down');
    await sleep(3000);
    for (const host of [1, 2]) hosts.link(host, 'up');
  }),
);
