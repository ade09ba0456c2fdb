import { OptionRangeError, StoreError } from '../base/errors.js';

/** What PostgreSQL's and the network's error codes mean for the user of a cluster. */
const kReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no PostgreSQL server answers there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'the server closed the connection',
  EPIPE: 'the server closed the connection',
  '28P01': 'the server refuses the user or the password',
  '28000': 'the server refuses the user',
  '3D000': 'there is no such database; create it with createdb',
  '53100': "the server's disk is full; what was stored before is kept",
  '53200': 'the server has no memory left',
  '53300': 'the server has no connection left',
  '57014': 'a statement took longer than it may, or was cancelled',
  '57P01': 'the server is shutting down, or ended the connection',
  '57P02': 'the server crashed',
  '57P03': 'the server is starting or stopping',
  '25006': 'the server is read-only',
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host",
  CERT_HAS_EXPIRED: "the server's certificate has expired, or the clock of this machine is ahead",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet, or the clock of this machine is behind",
};

const kPoolerSetting =
  'a pooler that stands before the server refuses a setting; tell it ignore_startup_parameters = ' +
  'statement_timeout,idle_in_transaction_session_timeout';
const kUnknownAuthority =
  "the server's certificate is of an authority that is not known here; name the file of its certificate by sslrootcert=FILE in the address";
/** What the driver, or the server within a code of many uses, says: these go before the codes. */
const kMessages: readonly (readonly [RegExp, string])[] = [
  [/, no encryption$|, SSL off$/, 'the server refuses the user without TLS; add ?sslmode=verify-full to the address'],
  [/^The server does not support SSL connections$/, 'the server has no TLS, which the address asks for (sslmode)'],
  [/self-signed certificate|unable to (verify the first|get (local )?issuer) certificate/, kUnknownAuthority],
  [/^unsupported startup parameter/, kPoolerSetting],
];

/** Codes of errors that go away by themselves, or when the operator of the server has done something. */
const kPassing = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'ETIMEDOUT',
  // Connection exceptions.
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08P01',
  // A standby, or a server that is set to read only.
  '25006',
  // The server ended a transaction in which nothing happened: this process was stopped, or its network was away.
  '25P03',
  // Deadlocks and the like.
  '40001',
  '40P01',
  '55P03',
  // No room, memory or connections.
  '53000',
  '53100',
  '53200',
  '53300',
  '53400',
  // Cancelled: by a timeout, by a person, by the end of the server.
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  // The server cannot read or write its files.
  '58000',
  '58030',
]);

/** What the driver says without a code. */
const kPassingMessages =
  /Connection terminated|connection error and is not queryable|timeout exceeded when trying to connect|Query read timeout/;

const codeOf = (error: unknown): string => {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  // Several addresses of one host fail together.
  const inner = (error as { errors?: readonly unknown[] }).errors?.[0];
  if (error instanceof StoreError && cause !== undefined) return codeOf(cause);
  return typeof code === 'string' ? code : inner === undefined ? '' : codeOf(inner);
};

/** Whether an error is the loss of the server or of its ability to work, after which a new attempt may succeed. */
export function isPassing(error: unknown): boolean {
  const message = error instanceof StoreError ? String((error.cause as Error | undefined)?.message) : String(error);
  return kPassing.has(codeOf(error)) || kPassingMessages.test(message);
}

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  const message = String((error as Error).message).split('\n', 1)[0] ?? '';
  if (code === '42501')
    return `${message}; the owner of the tables grants what a user needs with prompt-attention cluster migrate`;
  const [, reason] = kMessages.find(([pattern]) => pattern.test(message)) ?? [];
  return reason ?? kReasons[code] ?? message;
}

/**
 * The address without its password, its only form that is ever printed or stored.
 *
 * @throws {@link OptionRangeError} if it is not the URL of a PostgreSQL database.
 */
export function shownUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['postgres:', 'postgresql:'].includes(parsed.protocol))
    // The value itself might hold a password.
    throw new OptionRangeError('url', 'postgres://USER@HOST:PORT/DATABASE', parsed?.protocol ?? 'something else');
  const user = parsed.username === '' ? '' : `${parsed.username}@`;
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}`;
}

/** Forms of the password of a URL, and of that in PGPASSWORD, which no log may show. */
export function secretsOf(url: string): readonly string[] {
  const { password, searchParams } = new URL(url);
  const own = [password, searchParams.get('password') ?? '', process.env.PGPASSWORD ?? ''];
  const forms = own.flatMap((secret) => [secret, decodeURIComponent(secret), encodeURIComponent(secret)]);
  return [...new Set(forms)].filter((form) => form !== '');
}
