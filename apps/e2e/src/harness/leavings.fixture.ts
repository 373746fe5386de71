/** All that a run says and leaves behind, in either layout, as places to search for a secret. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectNats } from '@nats-io/transport-node';
import pg from 'pg';
import { api, operationsOf, type OpenApi } from './api.fixture.ts';
import { commandLines, filesBelow, type Place } from './canary.fixture.ts';
import type { Layout } from './layout.fixture.ts';
import { rawRequest, type RawAnswer } from './raw.fixture.ts';
import type { TraceReceiver } from './trace-receiver.fixture.ts';
import { until } from './until.fixture.ts';

/** Calls that are traced and kept, as a client sees them. */
export interface TracedCalls {
  readonly answers: readonly Place[];
  call(name: string): Promise<RawAnswer>;
  /** Every span that was received, once those of every call have come. */
  traces(): Promise<Place>;
}

export function tracedCalls(layout: () => Layout, receiver: () => TraceReceiver): TracedCalls {
  const answers: Place[] = [];
  const traceIds: string[] = [];
  return {
    answers,
    call: async (name) => {
      const traceId = randomBytes(16).toString('hex');
      const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
      const answer = await rawRequest(layout(), 'tools/call', {
        name,
        arguments: {},
        _meta: { traceparent },
      });
      traceIds.push(traceId);
      answers.push({ where: `answer of ${name}`, text: JSON.stringify(answer) });
      return answer;
    },
    traces: async () => {
      assert.ok(traceIds.length > 0);
      const missing = () => traceIds.filter((traceId) => receiver().spansOf(traceId).length === 0);
      await until('the spans of every call have come', () => missing().length === 0).catch((error: unknown) =>
        assert.fail(`${String(error)}: of ${missing().length} of ${traceIds.length} calls there is none`),
      );
      return { where: 'traces', text: receiver().text() };
    },
  };
}

export interface BusEar {
  readonly heard: readonly Place[];
  stop(): Promise<void>;
}

/** Hears every message on the bus, with its headers, where the bus is a server of its own. */
export async function listenToBus({ natsUrl }: Layout): Promise<BusEar> {
  const heard: Place[] = [];
  if (natsUrl === undefined) return { heard, stop: async () => undefined };
  const connection = await connectNats({ servers: natsUrl, reconnect: false });
  connection.subscribe('>', {
    callback: (_error, message) => {
      const headers = [...(message.headers ?? [])].map(([name, values]) => `${name}: ${values.join()}`);
      heard.push({ where: `bus ${message.subject}`, text: [...headers, message.string()].join('\n') });
    },
  });
  return { heard, stop: () => connection.close() };
}

/** Logs, answers without a secret in the question, metrics, command lines, files, rows of the database, keys of Redis. */
export async function leavingsOf(layout: Layout): Promise<readonly Place[]> {
  const places: Place[] = [
    { where: 'logs', text: await layout.logs() },
    { where: 'stdout', text: layout.stdout() },
    ...(await statusOf(layout)),
    ...(await adminAnswersOf(layout)),
    ...(await commandLines()),
  ];
  const { stack } = layout;
  if (stack) {
    places.push(...(await rowsOf(stack.postgres.url)));
    await writeDown(stack.redis.port);
  }
  const folders = stack ? [stack.folder, stack.postgres.folder, stack.nats.folder, stack.redis.folder] : [];
  for (const folder of new Set([layout.folder, ...folders])) places.push(...(await filesBelow(folder)));
  return places;
}

async function statusOf({ statusUrls }: Layout): Promise<readonly Place[]> {
  const asked = Object.entries(statusUrls).flatMap(([name, url]) =>
    ['metrics', 'healthz', 'readyz'].map(async (path) => {
      const answer = await fetch(`${url}/${path}`);
      return { where: `${path} of ${name}`, text: await answer.text() };
    }),
  );
  return Promise.all(asked);
}

/** Every path of the document that can be read without naming something. */
async function adminAnswersOf({ registryUrl, adminKey }: Layout): Promise<readonly Place[]> {
  const read = async (path: string) => (await api(registryUrl, adminKey, 'GET', path)).body;
  const document = (await read('/openapi.json')) as OpenApi;
  const paths = operationsOf(document)
    .filter(({ method, path }) => method === 'GET' && !path.includes('{') && path.startsWith('/admin/'))
    .map(({ path }) => path);
  assert.ok(paths.length > 2, paths.join());
  const answers = paths.map(async (path) => ({
    where: path,
    text: JSON.stringify((await read(path)) ?? ''),
  }));
  return [{ where: '/openapi.json', text: JSON.stringify(document) }, ...(await Promise.all(answers))];
}

/** As text: in the files a long row may be packed. */
async function rowsOf(url: string): Promise<readonly Place[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query<{ readonly name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    assert.ok(tables.rows.length > 0, 'the database has tables');
    const places: Place[] = [];
    for (const { name } of tables.rows) {
      // The database itself made these names.
      const { rows } = await client.query<{ readonly row: string }>(
        `SELECT t::text AS row FROM ${name} AS t`,
      );
      places.push({ where: `rows of ${name}`, text: rows.map(({ row }) => row).join('\n') });
    }
    return places;
  } finally {
    await client.end();
  }
}

/** Has Redis write what it holds into its folder, unpacked. */
async function writeDown(port: number): Promise<void> {
  const socket = connectTcp(port, '127.0.0.1');
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => (said += text));
  socket.write('CONFIG SET rdbcompression no\r\nSAVE\r\nQUIT\r\n');
  await once(socket, 'close');
  assert.equal(said, '+OK\r\n+OK\r\n+OK\r\n');
}
