import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { risk, simulate } from '../../lib/index.js';

const mixture = { tokens: 8, dimension: 20, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 };
const head = { kind: 'least-squares' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 60, inverseTemperature: 0.5, head } as const;
/** Minutes of work, within the limits that the tests of long requests set. */
const long = { experiment: { ...experiment, examples: 100_000 }, trials: 1_000_000, seed: 1 };
const generous = { MAX_TRIALS: 1e6, MAX_COST: 1e15 };

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: what the server sends is what the tests are about
  readonly body: any;
}

class Server {
  readonly output = { stdout: '', stderr: '' };
  readonly agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {
    child.stderr?.on('data', (text) => {
      this.output.stderr += text;
    });
  }

  static async start(t: ExecutionContext, limits: Readonly<Record<string, number>> = {}): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
    const file = join(folder, 'server.mts');
    const source = readFileSync(new URL('../../examples/server.mjs', import.meta.url), 'utf8');
    const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href);
    writeFileSync(file, source.replace("'prompt-attention'", library));
    const variables = Object.fromEntries(
      Object.entries({ PORT: 0, ...limits }).map(([name, value]) => [name, `${value}`]),
    );
    const child = spawn(process.execPath, [`--import=${import.meta.resolve('tsx')}`, file], {
      env: { ...process.env, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    });
    const [line] = (await once(
      createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> }),
      'line',
    )) as [string];
    return new Server(child, Number(/:(\d+)$/.exec(line)?.[1]));
  }

  /** Send a request; `sent` is called with what can be done to it. */
  send(
    method: string,
    path: string,
    body: unknown,
    sent: (outgoing: ClientRequest) => void = () => {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.agent, port: this.port, host: '127.0.0.1', method, path };
      const outgoing = request(options, async (response) => {
        let text = '';
        try {
          for await (const part of response.setEncoding('utf8')) text += part;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) });
        } catch (error) {
          reject(error);
        }
      });
      outgoing.once('error', reject);
      outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
      sent(outgoing);
    });
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.send('POST', path, body);
  }

  async health(): Promise<{ draining: boolean; running: number; waiting: number }> {
    return (await this.send('GET', '/healthz', '')).body;
  }

  /** Wait for a state that must come; a test in which it does not ends by ava's time limit. */
  async until(reached: (health: { running: number; waiting: number }) => boolean): Promise<void> {
    while (!reached(await this.health())) await sleep(10);
  }

  /** Ask it to end; its exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    return (await exit)[0];
  }
}

test('1,000 calls at once are answered as by direct calls, bad ones among them by name, and clients that go are forgotten', async (t) => {
  const server = await Server.start(t, { ...generous, MAX_WAITING: 2000 });
  const calls = Array.from({ length: 1000 }, (_, seed) => server.post('/simulate', { experiment, trials: 3, seed }));
  const bad = Array.from({ length: 50 }, () =>
    server.post('/simulate', { experiment: { ...experiment, examples: -1 }, trials: 3, seed: 1 }),
  );
  const gone = Array.from({ length: 20 }, async (_, i) => {
    await server
      .send('POST', '/simulate', long, (outgoing) => setTimeout(() => outgoing.destroy(), 10 * i))
      .then(
        () => t.fail('a request that takes minutes was answered'),
        () => {},
      );
  });
  for (const [seed, { status, body }] of (await Promise.all(calls)).entries()) {
    const { metrics, status: statuses, engine } = await simulate(experiment, { trials: 3, seed });
    const values = Object.fromEntries(Object.entries(metrics).map(([name, array]) => [name, [...array]]));
    t.is(status, 200);
    t.deepEqual(body, { method: 'projected', metrics: values, status: [...statuses], engine: engine.fingerprint });
  }
  for (const { status, body } of await Promise.all(bad)) {
    t.is(status, 400);
    t.is(body.error.option, 'experiment.examples');
  }
  await Promise.all(gone);
  await server.until(({ running, waiting }) => running === 0 && waiting === 0);
  t.is(await server.end(), 0);
  t.is(server.output.stderr, '');
});

test('laws are answered too, and what is refused says why', async (t) => {
  const server = await Server.start(t, { MAX_BODY_BYTES: 2000 });
  const three = { kind: 'three-step', mixture, examples: 100, stepSizes: [1, 1, 1] } as const;
  const laws: [object, Promise<object>][] = [
    [{ experiment, seed: 3 }, risk.knownPrompt({ ...experiment, seed: 3 })],
    [{ experiment: three, draws: 1000 }, risk.threeStep({ ...three, draws: 1000 })],
  ];
  for (const [body, law] of laws)
    t.deepEqual((await server.post('/risk', body)).body, JSON.parse(JSON.stringify(await law)));
  const simulation = { experiment, trials: 1, seed: 1 };
  const refused: [string, unknown, number, RegExp][] = [
    ['/simulate', '{', 400, /must be JSON/],
    ['/simulate', '3', 400, /must be an object/],
    ['/simulate', {}, 400, /^experiment\.kind must be/],
    ['/simulate', { ...simulation, threads: 2 }, 400, /^threads must be left out/],
    ['/simulate', { ...simulation, trials: 1e9 }, 400, /^trials must be at most 1000 on this server/],
    ['/simulate', { ...simulation, trials: 'many' }, 400, /^trials must be an integer/],
    ['/simulate', { ...simulation, testDraws: 2 ** 31 - 1, trials: 1000 }, 400, /^trials × .* must be at most/],
    [
      '/simulate',
      { ...simulation, experiment: { ...experiment, examples: 2 ** 31 - 1 } },
      400,
      /^trials × .* must be at most/,
    ],
    ['/simulate', { ...simulation, experiment: { ...experiment, mixture: null } }, 400, /^experiment\.mixture must be/],
    ['/simulate', { ...simulation, experiment: { kind: 'image-bag' } }, 400, /^experiment\.kind must be one of/],
    [
      '/risk',
      { experiment: { ...experiment, mixture: { ...mixture, noise: 'uniform' } } },
      400,
      /^mixture\.noise must be/,
    ],
    ['/risk', { experiment, draws: 1e9 }, 400, /^draws must be at most/],
    ['/risk', { experiment, signal: 1 }, 400, /^signal must be left out/],
    ['/simulate', { ...simulation, padding: 'x'.repeat(3000) }, 413, /2000 bytes/],
    ['/elsewhere', {}, 404, /there is POST/],
  ];
  for (const [path, body, status, message] of refused) {
    const answer = await server.post(path, body);
    t.is(answer.status, status, JSON.stringify(answer.body));
    t.regex(answer.body.error.message, message);
  }
  t.is((await server.send('GET', '/simulate', '')).status, 405);
  t.deepEqual(await server.health(), { draining: false, running: 0, waiting: 0 });
  t.is(await server.end('SIGINT'), 0);
  t.is(server.output.stderr, '');
});

test('what runs and what waits is bounded; the rest is told to come back, and the line moves on when a client goes', async (t) => {
  const server = await Server.start(t, { ...generous, MAX_RUNNING: 2, MAX_WAITING: 3 });
  const outgoing: ClientRequest[] = [];
  const start = async (count: number, reached: (health: { running: number; waiting: number }) => boolean) => {
    for (let i = 0; i < count; ++i)
      server.send('POST', '/simulate', long, (sent) => outgoing.push(sent)).catch(() => {});
    await server.until(reached);
  };
  await start(2, ({ running }) => running === 2);
  await start(3, ({ waiting }) => waiting === 3);
  const short = { experiment, trials: 2, seed: 1 };
  const refusals = await Promise.all(Array.from({ length: 20 }, () => server.post('/simulate', short)));
  for (const { status, headers } of refusals) {
    t.is(status, 503);
    t.is(headers['retry-after'], '1');
  }
  // One that waits goes, then those that run: what waited runs.
  outgoing[3]?.destroy();
  await server.until(({ running, waiting }) => running === 2 && waiting === 2);
  outgoing[0]?.destroy();
  outgoing[1]?.destroy();
  await server.until(({ running, waiting }) => running === 2 && waiting === 0);
  const answered = server.post('/simulate', short);
  await server.until(({ waiting }) => waiting === 1);
  outgoing[2]?.destroy();
  t.is((await answered).status, 200);
  outgoing[4]?.destroy();
  await server.until(({ running }) => running === 0);
  t.is(await server.end(), 0);
  t.is(server.output.stderr, '');
});

test('a deadline is kept, running or waiting', async (t) => {
  const server = await Server.start(t, { ...generous, MAX_RUNNING: 1, DEADLINE_MS: 300 });
  const answers = await Promise.all([server.post('/simulate', long), server.post('/simulate', long)]);
  for (const { status, body } of answers) {
    t.is(status, 504);
    t.regex(body.error.message, /not done within 300 ms/);
  }
  t.deepEqual(await server.health(), { draining: false, running: 0, waiting: 0 });
  t.is((await server.post('/simulate', { experiment, trials: 2, seed: 1 })).status, 200);
  t.is(await server.end(), 0);
});

test('SIGTERM lets requests finish within the grace, aborts what is left, and ends the process', async (t) => {
  const patient = await Server.start(t, { ...generous, GRACE_MS: 100_000 });
  const some = { experiment: { ...experiment, examples: 20_000 }, trials: 200, seed: 1 };
  const finishing = patient.post('/simulate', some);
  await patient.until(({ running }) => running === 1);
  t.is(await patient.end(), 0);
  t.is((await finishing).status, 200);

  const hasty = await Server.start(t, { ...generous, GRACE_MS: 200 });
  const aborted = hasty.post('/simulate', long);
  await hasty.until(({ running }) => running === 1);
  t.is(await hasty.end(), 0);
  t.is((await aborted).status, 503);
});
