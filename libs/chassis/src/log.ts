/** Structured log lines over pino: JSON for machines, short text for people, secrets replaced in both. */

import type { Log, LogFields } from '@cruvero/ports';
import pino from 'pino';

import { textLine } from './log-text.ts';
import { redactFields, redactText } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'json' | 'text';

/** Takes whole lines, each with its line feed. */
export interface LogDestination {
  write(line: string): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Who speaks; in every line. */
  readonly service: string;
  /** Standard error by default: standard output is for people and for `ready` lines. */
  readonly destination?: LogDestination;
}

const stderr = 2;

/** Names that a line has of its own; a field of the same name gets an underscore. */
const ownNames: ReadonlySet<string> = new Set(['level', 'time', 'service', 'msg']);

/** Lines are written at once and in order, so that the last words of a dying process are not lost. */
export function createLog(options: LogOptions): Log {
  const raw = options.destination ?? pino.destination({ dest: stderr, sync: true });
  const destination =
    options.format === 'json' ? raw : { write: (line: string) => void raw.write(textLine(line)) };
  const sink = pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return logOver(sink, {});
}

function logOver(sink: pino.Logger, kept: LogFields): Log {
  const write = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (!sink.isLevelEnabled(level)) return;
    sink[level](fields === undefined ? kept : { ...kept, ...ready(fields) }, redactText(message));
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: (fields) => logOver(sink, { ...kept, ...ready(fields) }),
  };
}

function ready(fields: LogFields): LogFields {
  const copy = redactFields(fields);
  for (const name of ownNames) {
    if (!(name in copy)) continue;
    copy[`${name}_`] = copy[name];
    delete copy[name];
  }
  return copy;
}
