import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StoreError } from '../base/errors.js';

/** Addresses of this machine alone. */
const kHost = '127.0.0.1';
/** Bytes that a request may have. */
const kMostBytes = 256 * 1024;
/** Milliseconds that a request may take to arrive. */
const kArrival = 10_000;

/** What the page may load: from this server, nothing else; figures set styles of their own elements. */
const kHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data: blob:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** A file of the page. */
export interface PageFile {
  readonly type: 'text/html' | 'text/javascript' | 'text/css';
  read(): Promise<string | Uint8Array>;
}

/** What a page asks: a JSON value for a JSON value. The signal aborts when whoever asked is gone. */
export type Answer = (question: unknown, signal: AbortSignal) => Promise<unknown>;

/** What is served. */
export interface Served {
  /** By name; the page itself has the name ''. */
  readonly files: Readonly<Record<string, PageFile>>;
  /** By name. */
  readonly answers: Readonly<Record<string, Answer>>;
}

/** A server that is listening. */
export interface PageServer {
  /** Where the page is, with the token. */
  readonly url: string;
  /** Ends all requests, and the server. */
  close(): Promise<void>;
}

/** Why a request is refused. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  if (response.destroyed) return;
  response.writeHead(status, { ...kHeaders, 'Content-Type': `${type}; charset=utf-8` });
  response.end(body);
}

/** JSON in which what is no number is null. */
const sendJson = (response: ServerResponse, status: number, value: unknown) =>
  send(response, status, 'application/json', JSON.stringify(value ?? null));

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json(;|$)/.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'the body must be application/json');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > kMostBytes) throw new Refusal(413, `the body may have ${kMostBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the body must be JSON');
  }
}

function isToken(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Refuses what does not come from the page itself: another name of this machine (a site whose name is made to lead here would have its
 * own), another origin, a path without the token.
 *
 * @returns What is asked for.
 */
function checkedName({ url = '', headers }: IncomingMessage, token: string, port: number): string {
  const hosts = [`${kHost}:${port}`, `localhost:${port}`];
  if (!hosts.includes(headers.host ?? '')) throw new Refusal(403, 'not a name of this server');
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`)
    throw new Refusal(403, 'not from another origin');
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new Refusal(403, 'not from another site');
  const [, given, name, ...rest] = (url.split('?', 1)[0] as string).split('/');
  if (given === undefined || name === undefined || !isToken(given, token))
    throw new Refusal(403, 'not with this token');
  if (rest.length > 0) throw new Refusal(404, 'there is nothing of this name');
  return name;
}

const isWrongOption = (error: unknown) => /^ERR_(OPTION|STUDY)/.test(String((error as { code?: unknown }).code));

async function answer(question: IncomingMessage, response: ServerResponse, name: string, served: Served) {
  const { method } = question;
  if (Object.hasOwn(served.files, name)) {
    if (method !== 'GET' && method !== 'HEAD') throw new Refusal(405, 'only to be got');
    const { type, read } = served.files[name] as PageFile;
    send(response, 200, type, await read());
    return;
  }
  if (!Object.hasOwn(served.answers, name)) throw new Refusal(404, 'there is nothing of this name');
  if (method !== 'POST') throw new Refusal(405, 'only to be posted to');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const value = await readJson(question);
    sendJson(response, 200, await (served.answers[name] as Answer)(value, gone.signal));
  } catch (error) {
    if (gone.signal.aborted) return;
    if (error instanceof Refusal) throw error;
    sendJson(response, isWrongOption(error) ? 400 : 500, {
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

/**
 * Serve a page to the browsers of this machine alone, under a token that nobody can guess.
 *
 * @param port 0: a free one.
 * @throws {@link StoreError} if the port is taken or may not be listened on.
 */
export async function servePage(served: Served, port: number): Promise<PageServer> {
  const token = randomBytes(24).toString('base64url');
  const server = createServer({ requestTimeout: kArrival, headersTimeout: kArrival }, (request, response) => {
    const own = (server.address() as AddressInfo).port;
    const respond = async () => answer(request, response, checkedName(request, token, own), served);
    respond().catch((error: unknown) => {
      const refused = error instanceof Refusal;
      // Of a body that is refused the rest is not waited for.
      if (refused) response.setHeader('Connection', 'close');
      sendJson(response, refused ? error.status : 500, { error: refused ? error.message : 'the page cannot be read' });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new StoreError(`port ${port}: cannot be listened on (${cause.code})`, { cause })),
    );
    server.listen(port, kHost, resolve);
  });
  return {
    url: `http://${kHost}:${(server.address() as AddressInfo).port}/${token}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
