/** What each subcommand does, given an open connection and somewhere to print; each returns the exit code. */

import type { ConsumerRow, NatsAdmin, RawMessage, ServerStatus, StreamRow } from '@cruvero/adapter-nats';

import type { Column, Format } from './render.ts';
import { fieldsText, jsonText, printable, roundBytes, roundDuration, tableText } from './render.ts';

export const exits = { ok: 0, failed: 1, usage: 2 } as const;
export type Exit = (typeof exits)[keyof typeof exits];

/** Where a command prints: data and messages apart, so that data can be piped. */
export interface Terminal {
  readonly format: Format;
  data(text: string): void;
  message(text: string): void;
  /** Bytes printed and not yet taken by whoever reads. */
  readonly backlogBytes: number;
  /** Aborted by Ctrl-C, or when nobody reads any more. */
  readonly stop: AbortSignal;
  nowMs(): number;
}

interface Fault {
  readonly fault: string;
  readonly detail: string;
}

const isFault = (answer: unknown): answer is Fault =>
  typeof answer === 'object' && answer !== null && 'fault' in answer && 'detail' in answer;

function failed(terminal: Terminal, fault: Fault): Exit {
  terminal.message(`${printable(fault.detail)}.`);
  return exits.failed;
}

export async function status(admin: NatsAdmin, terminal: Terminal): Promise<Exit> {
  const answer = await admin.status();
  if (isFault(answer)) return failed(terminal, answer);
  terminal.data(terminal.format === 'json' ? jsonText(answer) : fieldsText(statusFields(answer)));
  if (!answer.jetstream) {
    terminal.message(
      'JetStream is off on this server: announcements cannot be stored. Start nats-server with -js.',
    );
  }
  return exits.ok;
}

function statusFields(
  answer: ServerStatus,
): readonly (readonly [string, string | number | boolean | undefined])[] {
  return [
    ['server', answer.server],
    ['name', answer.serverName],
    ['version', answer.version],
    ['cluster', answer.cluster],
    ['round trip', `${answer.roundTripMs} ms`],
    ['largest message', roundBytes(answer.messageBytesMax)],
    ['JetStream', answer.jetstream],
    ['streams', answer.streams],
    ['consumers', answer.consumers],
    ['messages', answer.messages],
    ['on disk', roundBytes(answer.storageBytes)],
    ['in memory', roundBytes(answer.memoryBytes)],
    ['not delivered yet', answer.pending],
  ];
}

const streamColumns: readonly Column<StreamRow>[] = [
  { title: 'STREAM', cell: (row) => row.name },
  { title: 'SUBJECTS', cell: (row) => row.subjects },
  { title: 'MESSAGES', cell: (row) => row.messages },
  { title: 'SIZE', cell: (row) => roundBytes(row.bytes) },
  { title: 'MAX SIZE', cell: (row) => roundBytes(row.bytesMax) },
  { title: 'MAX AGE', cell: (row) => roundDuration(row.ageMaxMs) },
  { title: 'STORAGE', cell: (row) => row.storage },
  { title: 'CONSUMERS', cell: (row) => row.consumers },
  { title: 'LAST MESSAGE', cell: (row) => row.lastAt?.replace(/\.\d+Z$/, 'Z') },
];

export async function streams(admin: NatsAdmin, terminal: Terminal): Promise<Exit> {
  return list(await admin.streams(), streamColumns, 'There are no streams.', terminal);
}

const consumerColumns: readonly Column<ConsumerRow>[] = [
  { title: 'STREAM', cell: (row) => row.stream },
  { title: 'CONSUMER', cell: (row) => row.name },
  { title: 'DURABLE', cell: (row) => row.durable },
  { title: 'FILTER', cell: (row) => row.filter },
  { title: 'PENDING', cell: (row) => row.pending },
  { title: 'UNACKED', cell: (row) => row.unacknowledged },
  { title: 'REDELIVERED', cell: (row) => row.redelivered },
  { title: 'ACKED UP TO', cell: (row) => row.acknowledgedSequence },
  { title: 'WAITING', cell: (row) => row.waiting },
];

export async function consumers(
  admin: NatsAdmin,
  stream: string | undefined,
  terminal: Terminal,
): Promise<Exit> {
  return list(await admin.consumers(stream), consumerColumns, 'There are no consumers.', terminal);
}

function list<Row>(
  answer: readonly Row[] | Fault,
  columns: readonly Column<Row>[],
  none: string,
  terminal: Terminal,
): Exit {
  if (isFault(answer)) return failed(terminal, answer);
  if (terminal.format === 'json') terminal.data(jsonText(answer));
  else if (answer.length === 0) terminal.message(none);
  else terminal.data(tableText(columns, answer));
  return exits.ok;
}

export interface PublishOptions {
  readonly stored: boolean;
  readonly messageId: string;
}

export async function publish(
  admin: NatsAdmin,
  subject: string,
  json: string,
  options: PublishOptions,
  terminal: Terminal,
): Promise<Exit> {
  const body = parseJson(json);
  if (!body) {
    terminal.message('The message is not JSON. Text needs quotes inside the quotes: \'"hello"\'.');
    return exits.usage;
  }
  if (!options.stored) {
    const fault = await admin.publish(subject, body.value);
    if (fault) return failed(terminal, fault);
    terminal.data(terminal.format === 'json' ? jsonText({ subject }) : `published on ${subject}\n`);
    return exits.ok;
  }
  const at = await admin.publishStored(subject, body.value, options.messageId);
  if (isFault(at)) return failed(terminal, at);
  const { stream, sequence, duplicate } = at;
  const { messageId } = options;
  const words = duplicate ? 'had been stored already in' : 'stored in';
  const line = `${subject} ${words} ${stream} as ${sequence}, id ${messageId}`;
  terminal.data(
    terminal.format === 'json' ? jsonText({ subject, ...at, messageId }) : `${printable(line)}\n`,
  );
  return exits.ok;
}

type Body = Parameters<NatsAdmin['publish']>[1];

function parseJson(text: string): { readonly value: Body } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

export async function purge(
  admin: NatsAdmin,
  stream: string,
  yes: boolean,
  terminal: Terminal,
): Promise<Exit> {
  if (!yes) {
    const count = await admin.count(stream);
    if (isFault(count)) return failed(terminal, count);
    terminal.message(`This would remove ${messages(count)} from ${stream} for good. Add --yes to do it.`);
    return exits.usage;
  }
  const purged = await admin.purge(stream);
  if (isFault(purged)) return failed(terminal, purged);
  const line = `removed ${messages(purged)} from ${stream}\n`;
  terminal.data(terminal.format === 'json' ? jsonText({ stream, purged }) : line);
  return exits.ok;
}

const messages = (count: number): string => (count === 1 ? '1 message' : `${count} messages`);

/** Whoever reads may lag by this much; what comes on top is left out and counted. */
const backlogBytesMax = 16 << 20;

/** Prints messages as they come, until `countMax` or Ctrl-C. */
export async function subscribe(
  admin: NatsAdmin,
  subject: string,
  countMax: number,
  terminal: Terminal,
): Promise<Exit> {
  let seen = 0;
  let leftOut = 0;
  const enough = new AbortController();
  const take = (message: RawMessage): void => {
    if (seen >= countMax || terminal.stop.aborted) return;
    if (terminal.backlogBytes > backlogBytesMax) {
      leftOut += 1;
      return;
    }
    seen += 1;
    terminal.data(messageLine(message, terminal));
    if (seen >= countMax) enough.abort();
  };
  const subscription = await admin.subscribe(subject, take);
  if (isFault(subscription)) return failed(terminal, subscription);
  terminal.message(`Listening on ${subject}; Ctrl-C ends it.`);
  const ended = AbortSignal.any([terminal.stop, enough.signal]);
  const lost = await Promise.race([aborted(ended), admin.closed()]);
  await subscription.close();
  if (leftOut > 0)
    terminal.message(`${leftOut} messages were left out: they came faster than they were read.`);
  if (lost === undefined) return exits.ok;
  terminal.message(`The connection was lost: ${lost}.`);
  return exits.failed;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}

/** A line a message: JSON documents for programs; time, subject and body for people. */
function messageLine({ subject, text }: RawMessage, terminal: Terminal): string {
  const body = parseJson(text);
  const at = new Date(terminal.nowMs()).toISOString();
  if (terminal.format === 'json') {
    const content = body ? { body: body.value } : { text };
    return `${JSON.stringify({ at, subject, ...content })}\n`;
  }
  const content = body ? JSON.stringify(body.value) : `(not JSON) ${text}`;
  return `${at.slice(11, 23)}  ${printable(subject)}  ${printable(content)}\n`;
}
