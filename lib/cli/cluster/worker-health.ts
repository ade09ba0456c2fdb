import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OptionRangeError } from '../../base/errors.js';
import { loadOptional } from '../../base/optional-packages.js';
import type { WorkerEvent } from '../../cluster/index.js';

/** A worker tells of itself every ten seconds; one whose server did not answer for so long is not ready. */
const kSilentSeconds = 35;
/** Upper bounds of the histogram of jobs, which are meant to take ten seconds. */
const kJobSeconds = [0.1, 0.3, 1, 3, 10, 15, 30, 60, 300, 1800];

/** Answers whether a worker lives and is ready, and counts what it does. */
export interface HealthServer {
  /** Take note of what the worker tells. */
  observe(event: WorkerEvent): void;
  /** Where it listens: `HOST:PORT`. */
  readonly address: string;
  close(): void;
}

function parseAddress(text: string): { readonly host: string | undefined; readonly port: number } {
  const [, host, port] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new OptionRangeError('health', 'PORT or HOST:PORT, with a port up to 65535', text);
  return { host: host?.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

async function makeMetrics() {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = await loadOptional(
    'metrics',
    ['prom-client'],
    () => import('prom-client'),
  );
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  return {
    register,
    jobs: new Counter({
      name: 'prompt_attention_jobs_total',
      help: 'Jobs by outcome: stored, lost to another worker or cancelled, failed',
      labelNames: ['outcome'] as const,
      registers,
    }),
    trials: new Counter({ name: 'prompt_attention_trials_total', help: 'Trials stored', registers }),
    seconds: new Histogram({
      name: 'prompt_attention_job_seconds',
      help: 'From taking a job to storing its results',
      buckets: kJobSeconds,
      registers,
    }),
    away: new Counter({
      name: 'prompt_attention_server_away_total',
      help: 'Attempts that failed because the server did not answer or could not work',
      registers,
    }),
    refusals: new Counter({
      name: 'prompt_attention_refusals_total',
      help: 'Studies left alone because of their engine or version',
      registers,
    }),
    contact: new Gauge({
      name: 'prompt_attention_last_contact_timestamp_seconds',
      help: 'When the server last answered',
      registers,
    }),
  };
}

/**
 * Serve `/live`, `/ready` and `/metrics`.
 *
 * @param text `PORT`, on all interfaces, or `HOST:PORT`; port 0 stands for any that is free.
 */
export async function serveHealth(text: string): Promise<HealthServer> {
  const { host, port } = parseAddress(text);
  const metrics = await makeMetrics();
  let contact = Number.NEGATIVE_INFINITY;
  let stopping = false;
  const obstacle = () => {
    if (stopping) return 'stopping';
    return (performance.now() - contact) / 1000 > kSilentSeconds ? 'the server does not answer' : undefined;
  };
  const server = createServer(async ({ url }, response) => {
    const reply = (status: number, body: string, type = 'text/plain; charset=utf-8') =>
      response.writeHead(status, { 'content-type': type }).end(body);
    if (url === '/live') reply(200, 'ok\n');
    else if (url === '/ready') reply(obstacle() === undefined ? 200 : 503, `${obstacle() ?? 'ok'}\n`);
    else if (url === '/metrics') reply(200, await metrics.register.metrics(), metrics.register.contentType);
    else reply(404, '/live, /ready, /metrics\n');
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw new OptionRangeError('health', `an address to listen on (${(error as { code?: string }).code})`, text);
  }
  const { address, port: own } = server.address() as AddressInfo;
  return {
    address: `${address}:${own}`,
    observe(event) {
      if (event.kind === 'stopping') stopping = true;
      else if (event.kind === 'refusal') metrics.refusals.inc();
      else if (event.kind === 'server-away') metrics.away.inc();
      else if (event.kind === 'failure') metrics.jobs.inc({ outcome: 'failed' });
      else if (event.kind === 'job') {
        metrics.jobs.inc({ outcome: event.kept ? 'stored' : 'lost' });
        metrics.trials.inc(event.kept ? event.trials : 0);
        metrics.seconds.observe(event.seconds);
      }
      if (event.kind !== 'heartbeat') return;
      contact = performance.now();
      metrics.contact.setToCurrentTime();
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
