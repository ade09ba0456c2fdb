// An HTTP service over the package, to start one's own from: JSON in, JSON out.
//
//   node examples/server.mjs                                     (PORT=8080 HOST=127.0.0.1; see `limits` for the other variables)
//   curl -d '{ "trials": 4, "seed": 1, "experiment": { "kind": "known-prompt", "examples": 60, "inverseTemperature": 0.5,
//     "mixture": { "tokens": 8, "dimension": 20, "relevantTokens": 2, "contextNorm": 1.5, "signalNorm": 1 },
//     "head": { "kind": "least-squares" } } }' localhost:8080/simulate
//
//   POST /simulate   { experiment, trials, seed, firstTrial?, method?, testDraws? }: one number per trial and metric. More trials of the
//                    same run: the same seed, another firstTrial.
//   POST /risk       { experiment, draws?, seed? }: the law of a known-prompt or three-step experiment.
//   GET  /healthz    200, or 503 while it shuts down, with the number of requests running and waiting.
//
// What a service needs beyond the calls:
// - A bad option is 400 with its path, for example experiment.mixture.tokens; so is an experiment beyond the limits.
// - Few requests compute at a time, some wait, and the rest is told to come back (503 with Retry-After): under load the time that
//   an accepted request takes stays bounded.
// - A request whose client has gone, or whose deadline has passed (504), stops computing at its next trial.
// - SIGTERM and SIGINT: no new connections, requests under way are finished, or aborted once the grace is over.
//
// Computations run on threads of the addon: meanwhile the event loop, the file system and name resolution are free.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { ConvergenceError, OptionRangeError, OptionTypeError, risk, simulate } from 'prompt-attention';

const variable = (name, standard) => Number(process.env[name] ?? standard);
const limits = {
  running: variable('MAX_RUNNING', 2 * availableParallelism()),
  waiting: variable('MAX_WAITING', 1000),
  bodyBytes: variable('MAX_BODY_BYTES', 64 * 1024),
  trials: variable('MAX_TRIALS', 1000),
  // Of one request: numbers of all examples of all trials and steps, and draws of a law.
  cost: variable('MAX_COST', 1e11),
  draws: variable('MAX_DRAWS', 1e6),
  deadlineMilliseconds: variable('DEADLINE_MS', 30_000),
  graceMilliseconds: variable('GRACE_MS', 10_000),
};

class HttpError extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Lets so many requests run at a time; a signal that aborts takes a waiting one out of the line. */
class Gate {
  running = 0;
  waiting = new Set();

  async enter(signal) {
    if (this.running < limits.running) {
      this.running += 1;
      return;
    }
    if (this.waiting.size >= limits.waiting) throw new HttpError(503, 'too many requests wait', { 'Retry-After': '1' });
    await new Promise((resolve, reject) => {
      const turn = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.waiting.delete(turn);
        reject(signal.reason);
      };
      this.waiting.add(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  leave() {
    const [next] = this.waiting;
    if (next === undefined) {
      this.running -= 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > limits.bodyBytes)
      throw new HttpError(413, `the body may have ${limits.bodyBytes} bytes`, { Connection: 'close' });
    chunks.push(chunk);
  }
  let body;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpError(400, 'the body must be JSON');
  }
  if (typeof body !== 'object' || body === null) throw new HttpError(400, 'the body must be an object');
  return body;
}

/** Wrong types are left to the package, which refuses them by name: they compare as false here. */
function requireAtMost(option, value, most) {
  if (value > most) throw new OptionRangeError(option, `at most ${most} on this server`, value);
}

function requireKind(experiment, ...kinds) {
  if (!kinds.includes(experiment?.kind))
    throw new OptionRangeError('experiment.kind', `one of ${kinds.join(', ')}`, experiment?.kind);
}

const routes = {
  async '/simulate'({ experiment, trials, ...options }, signal) {
    requireKind(experiment, 'known-prompt', 'three-step', 'gradient-descent');
    for (const option of Object.keys(options))
      if (!['seed', 'firstTrial', 'method', 'testDraws'].includes(option))
        throw new OptionTypeError(option, 'left out: there is no such option', options[option]);
    requireAtMost('trials', trials, limits.trials);
    const { mixture, examples, steps = 1 } = experiment;
    const samples = [examples].flat().reduce((sum, count) => sum + count, 0);
    const numbers = samples * steps * mixture?.tokens * mixture?.dimension + (options.testDraws ?? 0) * mixture?.tokens;
    requireAtMost('trials × examples × steps × tokens × dimension', trials * numbers, limits.cost);
    const { metrics, status, method, engine } = await simulate(experiment, { ...options, trials, signal });
    const values = Object.entries(metrics).map(([name, array]) => [name, Array.from(array)]);
    return { method, metrics: Object.fromEntries(values), status: Array.from(status), engine: engine.fingerprint };
  },

  async '/risk'({ experiment, draws, seed, ...others }, signal) {
    requireKind(experiment, 'known-prompt', 'three-step');
    for (const option of Object.keys(others))
      throw new OptionTypeError(option, 'left out: there is no such option', others[option]);
    requireAtMost('draws', draws, limits.draws);
    const law = experiment.kind === 'known-prompt' ? risk.knownPrompt : risk.threeStep;
    return law({ ...experiment, draws, seed, signal });
  },
};

const gate = new Gate();
const active = new Set();
let draining = false;

function send(response, status, body, headers = {}) {
  if (response.destroyed) return;
  const text = JSON.stringify(body);
  const closing = draining ? { Connection: 'close' } : {};
  response.writeHead(status, { 'Content-Type': 'application/json', ...closing, ...headers }).end(text);
}

function sendError(response, error) {
  const body = { message: error.message, ...(error.code && { code: error.code }) };
  if (error instanceof OptionTypeError || error instanceof OptionRangeError)
    send(response, 400, { error: { ...body, option: error.option, expected: error.expected } });
  else if (error instanceof HttpError) send(response, error.status, { error: body }, error.headers);
  else if (error instanceof ConvergenceError) send(response, 422, { error: body });
  else {
    console.error(error);
    send(response, 500, { error: { message: 'internal error' } });
  }
}

async function answer(request, response) {
  const controller = new AbortController();
  const { signal } = controller;
  const deadline = setTimeout(
    () => controller.abort(new HttpError(504, `not done within ${limits.deadlineMilliseconds} ms`)),
    limits.deadlineMilliseconds,
  );
  // After the response has been sent in full this does nothing.
  response.once('close', () => controller.abort(new HttpError(499, 'the client has gone')));
  active.add(controller);
  try {
    const route = Object.hasOwn(routes, request.url) ? routes[request.url] : undefined;
    if (route === undefined) throw new HttpError(404, 'there is POST /simulate, POST /risk and GET /healthz');
    if (request.method !== 'POST') throw new HttpError(405, 'POST only', { Allow: 'POST' });
    const body = await readJson(request);
    await gate.enter(signal);
    try {
      send(response, 200, await route(body, signal));
    } finally {
      gate.leave();
    }
  } catch (error) {
    sendError(response, error);
  } finally {
    clearTimeout(deadline);
    active.delete(controller);
  }
}

export const server = createServer((request, response) => {
  if (request.url === '/healthz')
    send(response, draining ? 503 : 200, { draining, running: gate.running, waiting: gate.waiting.size });
  else answer(request, response);
});
// How long a client may take to send its request.
server.requestTimeout = 10_000;

function shutDown() {
  if (draining) return;
  draining = true;
  server.close();
  setTimeout(() => {
    for (const controller of active) controller.abort(new HttpError(503, 'the server is shutting down'));
  }, limits.graceMilliseconds).unref();
}
process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);

server.listen(variable('PORT', 8080), process.env.HOST ?? '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://${server.address().address}:${server.address().port}`);
