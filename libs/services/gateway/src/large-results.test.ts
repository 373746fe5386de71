/** Large results pass as the bytes that came, unless something in them has to change for this caller. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type Era, type Reply } from '@cruvero/core';
import type { Upstream, UpstreamResponse } from '@cruvero/ports';
import { defaultBounds } from '@cruvero/upstream';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { aggregate, doorOf, instance, legacySpoken, modernSpoken, routed } from './calls.fixture.ts';
import { RequestStates } from './callers/request-states.ts';
import type { Door } from './door.ts';
import { forwarder } from './forward.ts';
import { LegacyTasks } from './legacy-tasks.ts';
import { Links } from './links.ts';
import { sealWith } from './seal.ts';
import { TaskIds } from './task-ids.ts';

const filler = 'x'.repeat(2_000);

/** A body in pieces of 700 bytes; `wasText` is set when somebody reads it as text. */
function inPieces(text: string, read: { wasText: boolean }): UpstreamResponse['body'] {
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 700) pieces.push(bytes.subarray(at, at + 700));
  return {
    kind: 'text',
    pieces,
    get text() {
      read.wasText = true;
      return text;
    },
  };
}

/** A server of that era which answers every call with this result. */
function stage(era: Era, resultText: string) {
  const read = { wasText: false };
  const http: Upstream = {
    exchange: async ({ body, httpMethod }) => {
      const { id, method } = JSON.parse(body ?? '{}') as { id?: number; method?: string };
      const answer = (text: string): UpstreamResponse => ({
        status: 200,
        headers: {},
        body: { kind: 'text', text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${text}}` },
      });
      if (httpMethod !== 'POST') return { status: 405, headers: {}, body: { kind: 'text', text: '' } };
      if (method === 'server/discover' && era === 'modern')
        return answer('"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}');
      if (method === 'server/discover') return answer('"error":{"code":-32601,"message":"no"}');
      if (method === 'initialize')
        return answer('"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}');
      if (id === undefined) return { status: 202, headers: {}, body: { kind: 'text', text: '' } };
      const text = `{"jsonrpc":"2.0","id":${id},"result":${resultText}}`;
      return { status: 200, headers: {}, body: inPieces(text, read) };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const clock = new SimClock();
  const seal = sealWith([new Uint8Array(32)]);
  const clientInfo = { name: 'gw' };
  const forward = forwarder({
    links: new Links(defaultBounds, { upstreams: { http }, clock, random: () => 0.5, clientInfo }),
    telemetry: new MemoryTelemetry(),
    catalog: { toolOf: () => undefined, refresh: async () => undefined },
    states: new RequestStates(seal, clock),
    taskIds: new TaskIds(seal),
    legacyTasks: new LegacyTasks(new TaskIds(seal, 'legacy-task'), undefined),
    pause: async () => undefined,
  });
  const run = async (door: Door, caller: Era): Promise<Extract<Reply, { kind: 'result' }>> => {
    const spoken = caller === 'modern' ? modernSpoken() : legacySpoken;
    const outcome = await forward(routed({ door, spoken }), instance());
    assert.ok(!isFault(outcome) && outcome.kind === 'result', JSON.stringify(outcome));
    return outcome;
  };
  return { run, read };
}

const bytesOf = ({ pieces }: Extract<Reply, { kind: 'result' }>): string | undefined =>
  pieces && Buffer.concat(pieces).toString();

describe('a large result', () => {
  const modern = `{"resultType":"complete","content":[{"type":"text","text":"${filler}é\\n"}]}`;
  const legacy = `{ "content" : [{"type":"text","text":"${filler}é\\n"}], "n": 1.0}`;

  it('passes as bytes within one era, at a server’s own door and on the aggregate', async () => {
    for (const [era, text] of [
      ['modern', modern],
      ['legacy', legacy],
    ] as const) {
      for (const door of [doorOf('files'), aggregate]) {
        const { run, read } = stage(era, text);
        const result = await run(door, era);
        assert.equal(bytesOf(result), text);
        assert.equal(result.text, text);
        assert.equal(read.wasText, false, 'the message itself was never made text');
      }
    }
  });

  it('is text for a caller of the other era, in that era’s form', async () => {
    const toLegacy = await stage('modern', modern).run(doorOf('files'), 'legacy');
    assert.equal(bytesOf(toLegacy), undefined);
    assert.equal(toLegacy.text, modern.replace('"resultType":"complete",', ''));
    const toModern = await stage('legacy', legacy).run(doorOf('files'), 'modern');
    assert.match(toModern.text, /^\{"resultType":"complete",/);
  });

  it('with a resource in it is exposed on the aggregate, and passes as it is at the server’s own door', async () => {
    for (const name of ['uri', '\\u0075ri']) {
      const text = modern.replace(']}', `,{"type":"resource_link","${name}":"file:///a","name":"a"}]}`);
      const exposed = await stage('modern', text).run(aggregate, 'modern');
      assert.match(exposed.text, /mcp:\/\/files\//, name);
      assert.equal(bytesOf(await stage('modern', text).run(doorOf('files'), 'modern')), text);
    }
  });

  it('finds the resource wherever the pieces are cut', async () => {
    for (let shift = 0; shift < 8; shift += 1) {
      const head = `{"resultType":"complete","content":[{"type":"text","text":"`;
      // The envelope is 33 bytes long where the id has one digit; the member stands around byte 700.
      const before = 'x'.repeat(700 - 33 - head.length - 40 + shift);
      const link = `"},{"type":"resource_link","name":"a","uri":"file:///a"},{"type":"text","text":"${filler}"}]}`;
      const result = await stage('modern', head + before + link).run(aggregate, 'modern');
      assert.match(result.text, /mcp:\/\/files\//, `shifted by ${shift}`);
    }
  });

  it('that is a task, a question, or of no type is read', async () => {
    const task = `{"resultType":"task","taskId":"own","pad":"${filler}"}`;
    const exposed = await stage('modern', task).run(doorOf('files'), 'modern');
    assert.doesNotMatch(exposed.text, /"own"/);
    const asked = `{"resultType":"input_required","requestState":"mine","pad":"${filler}"}`;
    const sealed = await stage('modern', asked).run(doorOf('files'), 'modern');
    assert.doesNotMatch(sealed.text, /"mine"/);
    const untyped = `{"content":[],"pad":"${filler}"}`;
    const typed = await stage('modern', untyped).run(doorOf('files'), 'modern');
    assert.equal(typed.text, untyped.replace('{', '{"resultType":"complete",'));
  });

  it('can be told to another process as text', async () => {
    const result = await stage('modern', modern).run(doorOf('files'), 'modern');
    assert.deepEqual(JSON.parse(JSON.stringify(result)), { kind: 'result', text: modern });
  });
});
