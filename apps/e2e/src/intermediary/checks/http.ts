/** The HTTP side: methods, media types, statuses, and ids in errors. */

import assert from 'node:assert/strict';
import { isJsonObject } from '@cruvero/core';
import { assertError, assertTagged, type Check, type Group, type Scene } from '../check.ts';
import { Incoming } from '../client/incoming.ts';
import { modernRequest } from '../client/modern.ts';

const echo = (scene: Scene) => scene.toolParams('echo');

/** One request of any kind, with what is changed. */
async function raw(
  scene: Scene,
  {
    method = 'POST',
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string | null>; body?: string | null },
): Promise<Incoming> {
  const right = modernRequest(scene.door('modern'), 'tools/call', echo(scene), {
    credentials: scene.owner,
    headers,
  });
  const text = body === undefined ? right.body : (body ?? undefined);
  const answer = await Incoming.open({
    url: right.url,
    method,
    headers: right.headers,
    ...(text === undefined ? {} : { body: text }),
  });
  await answer.end();
  return answer;
}

const statuses: readonly {
  readonly name: string;
  readonly send: Parameters<typeof raw>[1];
  readonly status: number;
}[] = [
  {
    name: 'GET without a session is 405',
    send: { method: 'GET', headers: { accept: 'text/event-stream' }, body: null },
    status: 405,
  },
  { name: 'DELETE without a session is 405', send: { method: 'DELETE', body: null }, status: 405 },
  { name: 'PUT is 405', send: { method: 'PUT' }, status: 405 },
  { name: 'Accept without both types is 406', send: { headers: { accept: 'text/html' } }, status: 406 },
  { name: 'another Content-Type is 415', send: { headers: { 'content-type': 'text/plain' } }, status: 415 },
  { name: 'a body that is no JSON is 400', send: { body: '{"jsonrpc":' }, status: 400 },
  { name: 'a batch is 400', send: { body: '[{"jsonrpc":"2.0","id":1,"method":"ping"}]' }, status: 400 },
  { name: 'another Origin is 403', send: { headers: { origin: 'https://evil.test' } }, status: 403 },
];

function status({ name, send, status: expected }: (typeof statuses)[number]): Check {
  return {
    name,
    needs: ['modern'],
    run: async (scene) => {
      const answer = await raw(scene, send);
      assert.equal(answer.status, expected, answer.text.slice(0, 300));
      assert.equal(scene.hearing.of(scene.tag).length, 0, 'no server hears of it');
    },
  };
}

const prefix = 'io.modelcontextprotocol/';

/** Spellings of an id that must come back as they were. */
const idTexts = ['1', '0', '-7', '9007199254740993', '"one"', '"\\u0031 \\ud83d\\ude00"', '""'];

const others: readonly Check[] = [
  {
    name: 'an unknown method is 404 and -32601',
    needs: ['modern'],
    run: async (scene) => {
      assertError(await scene.modern(scene.door('modern'), 'no/such', {}, { id: 'n' }), -32601, 404);
    },
  },
  ...['ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'].map((method): Check => ({
    name: `${method} is 404 and -32601 for a caller of 2026-07-28`,
    needs: ['modern'],
    run: async (scene) => {
      assertError(
        await scene.modern(scene.door('modern'), method, { uri: 'suite://notes/one', level: 'info' }),
        -32601,
        404,
      );
    },
  })),
  {
    name: 'a version that is not served is 400 and -32022, with what is',
    needs: ['modern'],
    run: async (scene) => {
      const over = {
        meta: { [`${prefix}protocolVersion`]: '2030-01-01' },
        headers: { 'mcp-protocol-version': '2030-01-01' },
      };
      const error = assertError(await scene.call('modern', 'echo', {}, over), -32022, 400);
      const data = error['data'];
      assert.ok(isJsonObject(data) && Array.isArray(data['supported']), JSON.stringify(error));
      assert.ok(data['supported'].includes('2026-07-28'));
      assert.equal(data['requested'], '2030-01-01');
      assert.equal(scene.hearing.of(scene.tag).length, 0);
    },
  },
  ...['protocolVersion', 'clientCapabilities'].map((key): Check => ({
    name: `an envelope without ${key} is 400 and -32602`,
    needs: ['modern'],
    run: async (scene) => {
      const right = modernRequest(scene.door('modern'), 'tools/call', echo(scene), {
        credentials: scene.owner,
      });
      const body = right.body?.replace(`"${prefix}${key}"`, `"vendor.test/${key}"`) ?? '';
      const answer = await Incoming.open({ ...right, body });
      assertError({ status: answer.status, message: await answer.final() }, -32602, 400);
      assert.equal(scene.hearing.of(scene.tag).length, 0);
    },
  })),
  {
    name: 'ids come back as they were spelled, with results and with errors',
    needs: ['modern'],
    run: async (scene) => {
      for (const [tool, member] of [
        ['echo', 'result'],
        ['fail', 'error'],
        ['no-such-tool', 'error'],
      ] as const) {
        for (const idText of idTexts) {
          const right = modernRequest(scene.door('modern'), 'tools/call', scene.toolParams(tool), {
            credentials: scene.owner,
          });
          const answer = await Incoming.open({
            ...right,
            body: right.body?.replace('"id":1,', `"id":${idText},`) ?? '',
          });
          assert.ok(member in (await answer.final()), answer.text.slice(0, 300));
          await answer.end();
          assert.ok(answer.text.includes(`"id":${idText}`), `${idText} in ${answer.text.slice(0, 300)}`);
        }
      }
    },
  },
  {
    name: 'an error of the server passes with its code, its words and its data',
    needs: ['modern'],
    run: async (scene) => {
      const error = assertError(await scene.call('modern', 'fail'), -1234);
      assert.equal(error['message'], `failed: ${scene.tag}`);
      assert.deepEqual(error['data'], { kept: { of: scene.tag } });
    },
  },
  {
    name: 'Mcp-Session-Id and Last-Event-ID of a caller of 2026-07-28 mean nothing',
    needs: ['modern'],
    run: async (scene) => {
      const headers = { 'mcp-session-id': 'made-up', 'last-event-id': 'made-up' };
      const reply = await scene.call('modern', 'echo', {}, { headers });
      assertTagged(reply, scene.tag);
      assert.equal(reply.incoming.header('mcp-session-id'), undefined);
    },
  },
  {
    name: 'a notification is 202 without a body',
    needs: ['modern'],
    run: async (scene) => {
      const right = modernRequest(
        scene.door('modern'),
        'notifications/cancelled',
        { requestId: 99 },
        { credentials: scene.owner },
      );
      const answer = await Incoming.open({ ...right, body: right.body?.replace('"id":1,', '') ?? '' });
      await answer.end();
      assert.deepEqual([answer.status, answer.text], [202, '']);
    },
  },
];

export const httpChecks: Group = { title: 'HTTP', checks: [...statuses.map(status), ...others] };
