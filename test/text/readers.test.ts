import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { DataError, OptionRangeError, OptionTypeError, text } from '../../lib/index.js';
import { linesOf } from '../../lib/text/lines.js';

/** A folder with files of these contents, by their paths. */
function folderOf(t: ExecutionContext, files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const none = { empty: 0, tooLong: 0, encoding: 0, binary: 0, malformed: 0, unlabelled: 0 };
const contentOf = ({ documents, classes }: text.Corpus) =>
  documents.map((document) => [classes[document.label], document.text]);

test('CSV: quotes, line breaks in fields, a byte order mark, columns in any order', async (t) => {
  const csv = '\ufefflabel,id,text\nham,1,"one, ""two""\nthree"\nspam,2,naïve\n';
  const file = join(folderOf(t, { 'a.csv': csv }), 'a.csv');
  const corpus = await text.readCsv(file);
  t.deepEqual(contentOf(corpus), [
    ['ham', 'one, "two"\nthree'],
    ['spam', 'naïve'],
  ]);
  t.deepEqual(corpus.excluded, none);
  t.deepEqual(contentOf(await text.readCsv(file, { textField: 'label', labelField: 'id' })), [
    ['1', 'ham'],
    ['2', 'spam'],
  ]);
});

test('CSV: characters across the borders of chunks are read', async (t) => {
  const long = `x${'é'.repeat(200_000)}`;
  const file = join(folderOf(t, { 'a.csv': `text,label\n${long},a\nb,b\n` }), 'a.csv');
  t.is((await text.readCsv(file)).documents[0]?.text, long);
});

test('CSV: blank texts, NUL characters and missing labels are counted', async (t) => {
  const file = join(folderOf(t, { 'a.csv': 'text,label\na,1\nb,2\n  ,1\nc\0d,2\ne,\n' }), 'a.csv');
  const corpus = await text.readCsv(file);
  t.is(corpus.documents.length, 2);
  t.deepEqual(corpus.excluded, { ...none, empty: 1, binary: 1, unlabelled: 1 });
});

test('CSV that cannot be read as a whole is an error that says why', async (t) => {
  const cases: readonly (readonly [string | Uint8Array, RegExp])[] = [
    ['', /holds no document/],
    ['text,label\na,x\nb,x\n', /holds the class "x" only, at least two classes are needed; left out: none/],
    ['text,label\na,x\n ,y\n', /left out: 1 empty/],
    ['words,label\na,x\n', /has no column "text"; its header is: words, label/],
    ['text,text,label\na,b,x\n', /has two columns "text"/],
    ['text,label\na,x\nb,y,z\n', /Invalid Record Length.*line 3/],
    ['text,label\n"a,x\nb,y\n', /Quote Not Closed/],
    [`text,label\n${'a'.repeat(2000)},x\nb,y\n`, /Max Record Size/],
    [`text,label\n"${'a\n'.repeat(2000)}`, /Max Record Size/],
    [Uint8Array.of(0x74, 0x2c, 0xff, 0xfe, 0x0a), /cannot be read: .*encoded data was not valid/],
    [Buffer.concat([Buffer.from('text,label\na,x\nb,'), Uint8Array.of(0xc3)]), /encoded data was not valid/],
  ];
  for (const [content, message] of cases) {
    const file = join(folderOf(t, { 'a.csv': content }), 'a.csv');
    const error = await t.throwsAsync(text.readCsv(file, { mostBytes: 1000 }), { instanceOf: DataError, message });
    t.true(error?.message.startsWith(file));
  }
});

test('JSON Lines: labels of several types; what cannot be read is counted by reason', async (t) => {
  const lines = [
    '{"text": "a", "label": true}',
    '{"label": 3, "text": "b", "other": []}\r',
    '   ',
    '{"text": "c"}',
    '{"text": "d", "label": {}}',
    '{"text": 5, "label": 1}',
    '{"text": "e", ',
    'null',
    '["text"]',
    '{"text": "f\\u0000", "label": 1}',
    '{"text": "", "label": 1}',
    `{"text": "${'g'.repeat(300)}", "label": 1}`,
  ].map((line) => Buffer.from(`${line}\n`));
  const wrong = Buffer.from([...Buffer.from('{"text": "'), 0xe9, ...Buffer.from('", "label": 1}')]);
  const file = join(folderOf(t, { a: Buffer.concat([...lines, wrong]) }), 'a');
  const corpus = await text.readJsonLines(file, { mostBytes: 200 });
  t.deepEqual(contentOf(corpus), [
    ['true', 'a'],
    ['3', 'b'],
  ]);
  t.deepEqual(
    corpus.documents.map(({ source }) => source),
    [`${file}:1`, `${file}:2`],
  );
  t.deepEqual(corpus.excluded, { empty: 1, tooLong: 1, encoding: 1, binary: 1, malformed: 4, unlabelled: 2 });
});

test('JSON Lines: a line at the limit is read, one byte more is not, with and without an end', async (t) => {
  const line = '{"text":"ab","label":1}';
  const read = (last: string) => {
    const file = join(folderOf(t, { a: `${line}\n${line.replace('1}', '2}')}\n${last}` }), 'a');
    return text.readJsonLines(file, { mostBytes: line.length });
  };
  t.is((await read(line)).documents.length, 3);
  t.is((await read(`${line}\n`)).documents.length, 3);
  t.is((await read(`${line} `)).excluded.tooLong, 1);
});

test.serial('JSON Lines: of a line of 1 GiB nothing is kept', async (t) => {
  const before = process.memoryUsage().rss;
  let most = 0;
  async function* chunks() {
    for (let i = 0; i < 1024; ++i) {
      yield Buffer.alloc(2 ** 20, 'x');
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    yield Buffer.from('\nlast');
  }
  const lines = [];
  for await (const line of linesOf(chunks(), 2 ** 22)) lines.push(line?.toString());
  t.deepEqual(lines, [undefined, 'last']);
  t.true(most < 2 ** 29, `${most} bytes`);
});

test('a folder per class: files in order, links and deeper folders passed over, exclusions counted', async (t) => {
  const folder = folderOf(t, {
    'b/2': 'two',
    'b/1': '\ufeffone',
    'a/x': 'three',
    'a/deeper/y': 'four',
    'a/empty': '',
    'a/latin': Uint8Array.of(0x63, 0x61, 0x66, 0xe9),
    'a/nul': 'a\0b',
    'a/long': 'l'.repeat(101),
    note: 'five',
  });
  symlinkSync(join(folder, 'note'), join(folder, 'a', 'link'));
  const corpus = await text.readFolder(folder, { mostBytes: 100 });
  t.deepEqual(contentOf(corpus), [
    ['a', 'three'],
    ['b', 'one'],
    ['b', 'two'],
  ]);
  t.deepEqual(corpus.excluded, { ...none, empty: 1, encoding: 1, binary: 1, tooLong: 1 });
  t.is(corpus.documents[0]?.source, join(folder, 'a', 'x'));
});

test('a folder of mails', async (t) => {
  const nested = Array.from({ length: 100 }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`);
  const folder = folderOf(t, {
    'ham/1': 'Subject: Lunch\nX-List: friends\n\nAt noon?\n',
    'spam/1':
      'Subject: Win\nContent-Type: text/html\n\n<script>x()</script><p>Cli&ccedil;k <a href="http://a.b">here</a>',
    'spam/2': nested.join(''),
  });
  const corpus = await text.readFolder(folder, { format: 'mail' });
  t.deepEqual(contentOf(corpus), [
    ['ham', 'Lunch\nAt noon?'],
    ['spam', 'Win\nCliçk here'],
  ]);
  t.deepEqual(corpus.excluded, { ...none, malformed: 1 });
});

test('what is not there, and options that are not right, are refused by name', async (t) => {
  for (const read of [text.readCsv, text.readJsonLines, text.readFolder]) {
    await t.throwsAsync(read('/nowhere'), { instanceOf: DataError, message: /^\/nowhere: cannot be read: ENOENT/ });
    await t.throwsAsync(read(5 as never), { instanceOf: OptionTypeError });
    await t.throwsAsync(read('a', { mostBytes: 0 }), { instanceOf: OptionRangeError, message: /^mostBytes must be/ });
    await t.throwsAsync(read('a', { format: 'pdf' } as never), { message: /^format must be/ });
  }
  await t.throwsAsync(text.readCsv(tmpdir()), { instanceOf: DataError, message: /EISDIR/ });
});

const mail = (header: string, body = '') => `Subject: Offer\n${header}\n\n${body}`;

test('the SpamAssassin corpus from a folder of its form', async (t) => {
  const folder = folderOf(t, {
    'easy-ham-1/1.txt': mail('From: a@b', 'Hello'),
    'easy-ham-1/1.json': '{}',
    'spam-1/1.txt': `From a@b Thu Aug 22 13:17:22 2002\n${mail('From: a@b', 'Buy')}`,
    'spam-2/1.txt': 'Subject: a\n\nb\0c',
  });
  const read = (parts: readonly text.SpamAssassinPart[]) => text.readSpamAssassin({ directory: folder, parts });
  const corpus = await read(['easy-ham-1', 'spam-1', 'spam-2']);
  t.deepEqual(contentOf(corpus), [
    ['ham', 'Offer\nHello'],
    ['spam', 'Offer\nBuy'],
  ]);
  t.deepEqual(corpus.excluded, { ...none, binary: 1 });
  await t.throwsAsync(read(['spam-1']), { instanceOf: DataError, message: /the class "spam" only/ });
  await t.throwsAsync(read(['hard-ham-1']), { instanceOf: DataError, message: /install it with: npm install/ });
  await t.throwsAsync(read(['spam-1', 'spam-1']), { instanceOf: OptionRangeError });
});

test('mail: encodings of headers and bodies, parts, what breaks the rules', async (t) => {
  const parse = (source: string | Uint8Array) =>
    text.parseMail(typeof source === 'string' ? Buffer.from(source, 'latin1') : source);
  const bodyOf = async (header: string, body: string) => (await parse(mail(header, body))).body;
  t.is((await parse('Subject: =?iso-8859-1?q?caf=E9?=\n\nx')).subject, 'café');
  t.is(
    await bodyOf(
      'Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8',
      'caf=C3=A9=\n!',
    ),
    'café!',
  );
  t.is(await bodyOf('Content-Transfer-Encoding: base64', Buffer.from('plain').toString('base64')), 'plain');
  t.is(await bodyOf('Content-Type: text/plain; charset=iso-8859-1', 'caf\xe9'), 'café');
  t.is(await bodyOf('Content-Type: text/plain; charset=no-such-charset', 'cafe'), 'cafe');
  const parts = '--b\nContent-Type: text/plain\n\nplain\n--b\nContent-Type: text/html\n\n<b>html</b>\n';
  t.is(await bodyOf('Content-Type: multipart/alternative; boundary=b', `${parts}--b--`), 'plain');
  t.is(await bodyOf('Content-Type: multipart/alternative; boundary=b', parts), 'plain');
  t.is(await bodyOf('Content-Type: multipart/mixed', 'parts without a boundary'), '');
  t.deepEqual(await parse(''), { subject: '', body: '' });
  await t.throwsAsync(parse(`A: ${'x'.repeat(2 ** 21)}\n\nb`), { instanceOf: DataError, message: /bytes of headers/ });
  await t.throwsAsync(parse(new Uint8Array(2 ** 25 + 1)), { instanceOf: DataError, message: /33554433 bytes/ });
});

test('mail: hostile HTML ends', async (t) => {
  for (const html of [
    '<div>'.repeat(8e5),
    '<a '.repeat(1e6),
    '<table><tr><td>'.repeat(2e5),
    '<!--'.repeat(1e6),
    '<'.repeat(1e6),
  ])
    t.is(typeof (await text.parseMail(Buffer.from(mail('Content-Type: text/html', html)))).body, 'string');
});

test('mail: pieces of mails in any order and any bytes give texts', async (t) => {
  const pieces = [
    'Subject: =?utf-8?b?4',
    'Content-Type: multipart/mixed; boundary="b"',
    'Content-Type: text/html; charset=utf-7',
    'Content-Type: text/plain; charset="',
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: base64',
    'Content-Transfer-Encoding: quoted-printable',
    '\n',
    '\n\n',
    '\r\n\r\n',
    '--b\n',
    '--b--\n',
    '<p>a<table>',
    '=E9=\n=',
    'aGVsbG8',
  ].map((piece) => Buffer.from(piece));
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.uint8Array({ maxLength: 20 }));
  const sources = fc.sample(fc.array(piece, { maxLength: 20 }), { numRuns: 2000, seed: 18 });
  for (const source of sources) {
    const { subject, body } = await text.parseMail(Buffer.concat(source));
    if (typeof subject !== 'string' || typeof body !== 'string') t.fail(JSON.stringify(source));
  }
  t.is(sources.length, 2000);
});
