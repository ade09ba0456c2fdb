// What the examples for process managers start.
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { command } from '../cli/support.js';
import { temporaryDirectory } from '../study/support.js';

const kDatabase = 'postgres://worker@db/studies';
/** Seconds that a worker waits for the server after its batch, and as many again to end. */
const kAfterDrain = 20;

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');

/** A worker with these arguments begins, as far as it gets without a server; and is given the time to stop that it needs. */
async function isStarted(t: ExecutionContext, args: readonly string[], secondsToStop: number): Promise<void> {
  t.true(args.join(' ').includes(kDatabase));
  const there = args.map((arg) => arg.replace(kDatabase, 'postgres://worker@127.0.0.1:9/studies'));
  // Any port that is free.
  const started = there.map((arg) => arg.replace('9464', '0'));
  const { stderr } = await command(started, temporaryDirectory(t));
  t.regex(stderr, /health: listening on/);
  t.regex(stderr, /prompt-attention: .*: no PostgreSQL server answers there\n$/);
  const [, drain] = /--drain[ =](\d+)/.exec(args.join(' ')) ?? [];
  t.true(secondsToStop >= Number(drain) + kAfterDrain);
}

test('the systemd service starts a worker, and waits long enough for it to stop', async (t) => {
  const unit = example('prompt-attention-worker.service');
  const [, line = ''] = /^ExecStart=\S*node \S*dist\/cli\/main\.js (.*)$/m.exec(unit) ?? [];
  await isStarted(t, line.split(' '), Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]));
});

test('the Kubernetes deployment starts workers, asks them where they listen, and waits long enough for them to stop', async (t) => {
  const { spec } = parse(example('kubernetes-workers.yaml'));
  const pod = spec.template;
  t.deepEqual(spec.selector.matchLabels, pod.metadata.labels);
  const [container] = pod.spec.containers;
  const [{ name, containerPort }] = container.ports;
  t.true(container.args.includes(`--health=${containerPort}`));
  t.is(pod.metadata.annotations['prometheus.io/port'], String(containerPort));
  for (const probe of [container.livenessProbe, container.readinessProbe]) t.is(probe.httpGet.port, name);
  t.deepEqual(
    [container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet.path),
    ['/live', '/ready'],
  );
  await isStarted(t, container.args, pod.spec.terminationGracePeriodSeconds);
});
