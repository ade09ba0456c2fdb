import { loadOptional } from '../../base/optional-packages.js';
import type { WorkerEvent } from '../../cluster/index.js';

/** How a worker logs. */
export const kLogFormats = ['text', 'json'] as const;
/** One of {@link kLogFormats}. */
export type LogFormat = (typeof kLogFormats)[number];
/** From the least to the most important. */
export const kLogLevels = ['debug', 'info', 'warn', 'error'] as const;
/** One of {@link kLogLevels}. */
export type LogLevel = (typeof kLogLevels)[number];

/** What is logged of an event. */
interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  /** Beside the message, in JSON. */
  readonly fields: object;
}

function lineOf(event: WorkerEvent): LogLine {
  const { kind, ...fields } = event;
  switch (event.kind) {
    case 'start': {
      const { worker, host, engine, threads } = event;
      return { level: 'info', message: `worker ${worker} on ${host}: engine ${engine}, ${threads} threads`, fields };
    }
    case 'job': {
      const { study, trials, seconds, kept } = event;
      const lost = kept ? '' : ', not stored: the job was given to another worker, cancelled or removed meanwhile';
      const message = `${study}: ${trials} trials in ${seconds.toFixed(1)} s${lost}`;
      return { level: kept ? 'info' : 'warn', message, fields };
    }
    case 'failure':
      return { level: 'error', message: event.reason, fields: {} };
    case 'refusal':
    case 'server-away':
      return { level: 'warn', message: event.reason, fields: {} };
    case 'heartbeat':
      return { level: 'debug', message: kind, fields };
    case 'stopping':
      return { level: 'info', message: `stopping, within ${event.seconds} s`, fields };
  }
}

/** What writes one line. */
type LineWriter = (level: LogLevel, message: string, fields: object) => void;

/** Lines of JSON by pino on standard error. */
async function jsonWriter(level: LogLevel): Promise<LineWriter> {
  const { default: pino } = await loadOptional('logs as JSON (not --log text)', ['pino'], () => import('pino'));
  const stream = pino.destination({ dest: 2, sync: true });
  // A log that cannot be written, for example to a full disk, must not end the work.
  stream.on('error', () => {});
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return (lineLevel, message, fields) => logger[lineLevel](fields, message);
}

function textWriter(least: LogLevel): LineWriter {
  process.stderr.on('error', () => {});
  return (level, message) => {
    if (kLogLevels.indexOf(level) >= kLogLevels.indexOf(least)) process.stderr.write(`${message}\n`);
  };
}

/** The log of a worker. */
export interface WorkerLog {
  /** Log an event. */
  event(event: WorkerEvent): void;
  /** Log something else. */
  note(message: string): void;
}

/**
 * Open the log of a worker, on standard error.
 *
 * @param secrets What must not occur in it.
 */
export async function openWorkerLog(
  format: LogFormat,
  level: LogLevel,
  secrets: readonly string[],
): Promise<WorkerLog> {
  const write = format === 'json' ? await jsonWriter(level) : textWriter(level);
  // What the server and the driver say is not ours to know beforehand.
  const clean = (text: string) => secrets.reduce((so, secret) => so.replaceAll(secret, '***'), text);
  return {
    event(event) {
      const { level: lineLevel, message, fields } = lineOf(event);
      write(lineLevel, clean(message), { event: event.kind, ...fields });
    },
    note: (message) => write('info', message, { event: 'note' }),
  };
}
