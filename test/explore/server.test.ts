// What the server of pages refuses: nothing but the page itself, on this machine, may ask.
import { request } from 'node:http';
import { connect } from 'node:net';
import test from 'ava';
import { OptionRangeError } from '../../lib/base/errors.js';
import { type PageServer, servePage } from '../../lib/explore/server.js';

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** One request, exactly as told: fetch would correct it. */
function ask(url: string, { method = 'GET', path, headers = {}, body }: Asked): Promise<Answered> {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path: path ?? pathname, headers }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function served(): Promise<PageServer> {
  return servePage(
    {
      files: { '': { type: 'text/html', read: async () => '<p>page</p>' } },
      answers: {
        echo: async (question) => question,
        wrong: async () => {
          throw new OptionRangeError('mixture.tokens', 'an integer', 1.5);
        },
        broken: async () => {
          throw new Error('no');
        },
        numbers: async () => ({ none: Number.NaN, many: Number.POSITIVE_INFINITY }),
        waiting: (_, signal) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      },
    },
    0,
  );
}

const json = { 'Content-Type': 'application/json' };

test('the page and its answers come to who has the token, with headers that forbid everything else', async (t) => {
  const { url, close } = await served();
  t.teardown(close);
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
  const page = await ask(url, {});
  t.is(page.status, 200);
  t.is(page.body, '<p>page</p>');
  t.is((await ask(url, { method: 'HEAD' })).body, '');
  const policy = String(page.headers['content-security-policy']);
  t.regex(policy, /^default-src 'none'; script-src 'self'; /);
  t.false(policy.includes('unsafe-eval') || /https?:/.test(policy));
  t.is(page.headers['referrer-policy'], 'no-referrer');
  t.is(page.headers['cache-control'], 'no-store');
  t.is(page.headers['access-control-allow-origin'], undefined);
  const { status, body } = await ask(`${url}echo`, { method: 'POST', headers: json, body: '{"a":[1,null]}' });
  t.deepEqual([status, body], [200, '{"a":[1,null]}']);
  t.is((await ask(`${url}numbers`, { method: 'POST', headers: json, body: '1' })).body, '{"none":null,"many":null}');
});

test('no token, another one, other names, origins and sites are refused', async (t) => {
  const { url, close } = await served();
  t.teardown(close);
  const { port, pathname } = new URL(url);
  const other = pathname.replace(/[\w-]{2}\/$/, 'aa/');
  for (const path of ['/', '//', '/echo', other, `${other}echo`, pathname.slice(0, -1), '/x/', `/../${pathname}`])
    t.is((await ask(url, { path })).status, 403, path);
  for (const headers of [
    { Host: 'example.com' },
    { Host: `example.com:${port}` },
    { Host: '127.0.0.1' },
    { Host: `127.0.0.1.example.com:${port}` },
    { Origin: 'http://example.com' },
    { Origin: 'null' },
    { Origin: `http://127.0.0.1:${Number(port) + 1}` },
    { Origin: `https://127.0.0.1:${port}` },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
  ])
    t.is((await ask(url, { headers })).status, 403, JSON.stringify(headers));
  t.is((await ask(url, { headers: { Host: `localhost:${port}`, Origin: `http://localhost:${port}` } })).status, 200);
});

test('paths that leave the page, other methods, types and sizes are refused', async (t) => {
  const { url, close } = await served();
  t.teardown(close);
  const { pathname } = new URL(url);
  for (const name of [
    ...[
      '../package.json',
      '..%2fpackage.json',
      '%2e%2e/%2e%2e/etc/passwd',
      'a/b',
      'main.js',
      '__proto__',
      'constructor',
    ],
    ...['toString', '%00', '\\..\\x'],
  ])
    t.is((await ask(url, { path: pathname + name })).status, 404, name);
  t.is((await ask(url, { method: 'POST', headers: json, body: '1' })).status, 405);
  t.is((await ask(`${url}echo`, {})).status, 405);
  t.is((await ask(`${url}echo`, { method: 'PUT', headers: json, body: '1' })).status, 405);
  t.is((await ask(`${url}echo`, { method: 'POST', body: '1' })).status, 415);
  // What a form of another site could send without being asked.
  t.is((await ask(`${url}echo`, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: '1' })).status, 415);
  for (const body of ['', '{', 'NaN', '{"a":}', '\u0000'])
    t.is((await ask(`${url}echo`, { method: 'POST', headers: json, body })).status, 400, body);
  const large = await ask(`${url}echo`, { method: 'POST', headers: json, body: `"${'a'.repeat(256 * 1024)}"` });
  t.is(large.status, 413);
  // It goes on.
  t.is((await ask(`${url}echo`, { method: 'POST', headers: json, body: '1' })).body, '1');
});

test('a wrong option is told with its path, another error as one of the server', async (t) => {
  const { url, close } = await served();
  t.teardown(close);
  const wrong = await ask(`${url}wrong`, { method: 'POST', headers: json, body: '{}' });
  t.is(wrong.status, 400);
  t.deepEqual(JSON.parse(wrong.body), { error: 'mixture.tokens must be an integer; got 1.5' });
  t.is((await ask(`${url}broken`, { method: 'POST', headers: json, body: '{}' })).status, 500);
});

test('work ends when whoever asked is gone, and the server with requests under way', async (t) => {
  const { url, close } = await served();
  const { hostname, port, pathname } = new URL(url);
  const begin = () =>
    new Promise<import('node:net').Socket>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST ${pathname}waiting HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1`,
          () => resolve(socket),
        );
      });
      socket.on('error', () => {});
    });
  (await begin()).destroy();
  await begin();
  await close();
  await t.throwsAsync(ask(url, {}), { code: 'ECONNREFUSED' });
});

test('it listens on the loopback interface only, and says so if it may not', async (t) => {
  const { url, close } = await served();
  t.teardown(close);
  const port = Number(new URL(url).port);
  await t.throwsAsync(servePage({ files: {}, answers: {} }, port), {
    message: `port ${port}: cannot be listened on (EADDRINUSE)`,
  });
  // Another address of this machine.
  await t.throwsAsync(ask(url.replace('127.0.0.1', '127.0.0.2'), {}), { code: 'ECONNREFUSED' });
});
