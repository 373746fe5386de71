/** Headers against body: what a caller of 2026-07-28 repeats in headers must be what it says (SEP-2243). */

import assert from 'node:assert/strict';
import type { JsonObject } from '@cruvero/core';
import { probe } from '@cruvero/testkit';
import {
  assertError,
  assertTagged,
  resultOf,
  structured,
  type Check,
  type Group,
  type Over,
  type Scene,
} from '../check.ts';
import { modernRequest } from '../client/modern.ts';
import { noteUri, sentinelPrompt, umlautPrompt } from '../upstream/offer.ts';

const mismatch = -32020;
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;

interface Refused {
  readonly name: string;
  readonly method?: string;
  readonly params: (scene: Scene) => JsonObject;
  readonly headers: Readonly<Record<string, string | null>>;
}

const echo = (scene: Scene): JsonObject => scene.toolParams('echo');
const paramsOf =
  (args: JsonObject) =>
  (scene: Scene): JsonObject =>
    scene.toolParams('params', args);
const greet = (): JsonObject => ({ name: 'greet' });
const note = (): JsonObject => ({ uri: noteUri });

/** Each is refused with -32020, and no server hears of it. */
const refused: readonly Refused[] = [
  { name: 'MCP-Protocol-Version is missing', params: echo, headers: { 'mcp-protocol-version': null } },
  {
    name: 'MCP-Protocol-Version says another version',
    params: echo,
    headers: { 'mcp-protocol-version': '2025-11-25' },
  },
  { name: 'Mcp-Method is missing', params: echo, headers: { 'mcp-method': null } },
  { name: 'Mcp-Method says another method', params: echo, headers: { 'mcp-method': 'tools/list' } },
  { name: 'Mcp-Method differs in case', params: echo, headers: { 'mcp-method': 'Tools/Call' } },
  { name: 'Mcp-Name is missing for a tool', params: echo, headers: { 'mcp-name': null } },
  {
    name: 'Mcp-Name is missing for a prompt',
    method: 'prompts/get',
    params: greet,
    headers: { 'mcp-name': null },
  },
  {
    name: 'Mcp-Name is missing for a resource',
    method: 'resources/read',
    params: note,
    headers: { 'mcp-name': null },
  },
  { name: 'Mcp-Name says another tool', params: echo, headers: { 'mcp-name': 'hidden' } },
  { name: 'Mcp-Name differs in case', params: echo, headers: { 'mcp-name': 'Echo' } },
  {
    name: 'Mcp-Name says another prompt',
    method: 'prompts/get',
    params: greet,
    headers: { 'mcp-name': base64(umlautPrompt) },
  },
  {
    name: 'Mcp-Name says another resource',
    method: 'resources/read',
    params: note,
    headers: { 'mcp-name': 'suite://notes/two' },
  },
  { name: 'Mcp-Name in base64 says another tool', params: echo, headers: { 'mcp-name': base64('hidden') } },
  {
    name: 'Mcp-Name holds base64 that is not valid',
    params: echo,
    headers: { 'mcp-name': '=?base64?ZWNo*b?=' },
  },
  {
    name: 'Mcp-Name holds base64 that is no UTF-8',
    params: echo,
    headers: { 'mcp-name': '=?base64?/w==?=' },
  },
  {
    name: 'the marker of base64 is written in capitals',
    params: echo,
    headers: { 'mcp-name': '=?BASE64?ZWNobw==?=' },
  },
  {
    name: 'Mcp-Name is not encoded although it looks so',
    method: 'prompts/get',
    params: () => ({ name: sentinelPrompt }),
    headers: { 'mcp-name': sentinelPrompt },
  },
  { name: 'Mcp-Param is missing', params: paramsOf({ region: 'eu' }), headers: {} },
  {
    name: 'Mcp-Param says another string',
    params: paramsOf({ region: 'eu' }),
    headers: { 'mcp-param-region': 'us' },
  },
  {
    name: 'Mcp-Param differs in case',
    params: paramsOf({ region: 'eu' }),
    headers: { 'mcp-param-region': 'EU' },
  },
  {
    name: 'Mcp-Param says another integer',
    params: paramsOf({ count: 42 }),
    headers: { 'mcp-param-count': '43' },
  },
  {
    name: 'Mcp-Param says another boolean',
    params: paramsOf({ flag: true }),
    headers: { 'mcp-param-flag': 'false' },
  },
  {
    name: 'Mcp-Param of a nested argument says another',
    params: paramsOf({ nested: { deep: 'a' } }),
    headers: { 'mcp-param-deep': 'b' },
  },
  {
    name: 'Mcp-Param holds base64 that is not valid',
    params: paramsOf({ region: 'eu' }),
    headers: { 'mcp-param-region': '=?base64?e*?=' },
  },
  {
    name: 'Mcp-Param repeats an argument that is not there',
    params: paramsOf({}),
    headers: { 'mcp-param-region': 'eu' },
  },
  {
    name: 'Mcp-Param repeats an argument that is null',
    params: paramsOf({ region: null }),
    headers: { 'mcp-param-region': 'eu' },
  },
  {
    name: 'Mcp-Name is missing for a task',
    method: 'tasks/get',
    params: () => ({ taskId: 'task-1' }),
    headers: { 'mcp-name': null },
  },
  {
    name: 'Mcp-Name says another task',
    method: 'tasks/get',
    params: () => ({ taskId: 'task-1' }),
    headers: { 'mcp-name': 'task-2' },
  },
];

function refusal({ name, method = 'tools/call', params, headers }: Refused): Check {
  return {
    name: `refused: ${name}`,
    needs: ['modern'],
    run: async (scene) => {
      const given = params(scene);
      // Whatever the gateway asks its server by itself comes before.
      await scene.modern(scene.door('modern'), 'tools/list');
      const before = scene.hearing.all.length;
      const reply = await scene.modern(scene.door('modern'), method, given, { headers, id: `id of ${name}` });
      assertError(reply, mismatch, 400);
      assert.equal(reply.message['id'], `id of ${name}`, 'the id comes back');
      // Checks that wait call tools meanwhile; they say other words.
      const leaked = scene.hearing.all
        .slice(before)
        .filter(
          ({ message, text }) =>
            message['method'] === method && (method !== 'tools/call' || text.includes(scene.tag)),
        );
      assert.deepEqual(
        leaked.map(({ text }) => text),
        [],
        'no server hears of it',
      );
    },
  };
}

interface Accepted {
  readonly name: string;
  readonly args?: JsonObject;
  readonly headers: Readonly<Record<string, string | null>>;
}

/** Each passes, and the server gets headers that say what its body says. */
const accepted: readonly Accepted[] = [
  { name: 'Mcp-Name in base64', headers: { 'mcp-name': base64('params') } },
  { name: 'header names in any case', args: { region: 'eu' }, headers: { 'MCP-Param-REGION': 'eu' } },
  { name: 'space around a value', args: { region: 'eu' }, headers: { 'mcp-param-region': '  eu ' } },
  {
    name: 'a string in base64',
    args: { region: 'zürich 1' },
    headers: { 'mcp-param-region': base64('zürich 1') },
  },
  { name: 'a plain string in base64', args: { region: 'eu' }, headers: { 'mcp-param-region': base64('eu') } },
  { name: 'an empty string', args: { region: '' }, headers: { 'mcp-param-region': '' } },
  { name: 'an integer', args: { count: -42 }, headers: { 'mcp-param-count': '-42' } },
  { name: 'a boolean', args: { flag: false }, headers: { 'mcp-param-flag': 'false' } },
  { name: 'a nested argument', args: { nested: { deep: 'down' } }, headers: { 'mcp-param-deep': 'down' } },
  { name: 'null without a header', args: { region: null }, headers: {} },
];

function acceptance({ name, args = {}, headers }: Accepted): Check {
  return {
    name: `accepted: ${name}`,
    needs: ['modern'],
    run: async (scene) => {
      assertTagged(await scene.call('modern', 'params', args, { headers }), scene.tag);
      const heard = await scene.hearing.first(scene.tag);
      const said = decodedHeaders(heard.headers);
      assert.equal(said['mcp-name'], 'params');
      assert.equal(said['mcp-method'], 'tools/call');
      for (const [header, value] of Object.entries(paramsInHeaders(args)))
        assert.equal(said[header], value, `${header} at the server`);
    },
  };
}

function paramsInHeaders(args: JsonObject): Record<string, string> {
  const { region, count, flag, nested } = args;
  const deep = (nested as { readonly deep?: string } | undefined)?.deep;
  const members = {
    'mcp-param-region': region,
    'mcp-param-count': count,
    'mcp-param-flag': flag,
    'mcp-param-deep': deep,
  };
  const present = Object.entries(members).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(present.map(([header, value]) => [header, String(value)]));
}

/** Headers with the encoded form undone, as any server reads them. */
export function decodedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const coded = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
      return [name, coded === undefined ? value : Buffer.from(coded, 'base64').toString()];
    }),
  );
}

const forwarded: readonly Check[] = [
  {
    name: 'an Mcp-Param that nobody knows is forwarded as it is',
    needs: ['modern'],
    run: async (scene) => {
      const headers = { 'mcp-param-elsewhere': 'a b', 'mcp-param-coded': base64('é') };
      assertTagged(await scene.call('modern', 'echo', {}, { headers }), scene.tag);
      const heard = await scene.hearing.first(scene.tag);
      assert.equal(heard.headers['mcp-param-elsewhere'], 'a b');
      assert.equal(heard.headers['mcp-param-coded'], base64('é'));
    },
  },
  {
    name: 'integers are compared as numbers',
    needs: ['modern'],
    run: async (scene) => {
      const url = scene.door('modern');
      const argumentsText = `{"tag":"${scene.tag}","count":42.0}`;
      const over: Over = { headers: { 'mcp-param-count': '42' }, argumentsText };
      assertTagged(await scene.modern(url, 'tools/call', { name: 'params' }, over), scene.tag);
    },
  },
  {
    name: 'a prompt whose name needs base64 reaches its server under that name',
    needs: ['modern'],
    run: async (scene) => {
      for (const name of [umlautPrompt, sentinelPrompt]) {
        const before = scene.hearing.all.length;
        resultOf(
          await scene.modern(scene.door('modern'), 'prompts/get', { name, arguments: { tag: scene.tag } }),
        );
        const heard = scene.hearing.all
          .slice(before)
          .find(({ message }) => message['method'] === 'prompts/get');
        assert.equal(decodedHeaders(heard?.headers ?? {})['mcp-name'], name);
      }
    },
  },
  {
    name: 'a renamed tool: Mcp-Name at the server is the name in the body there, known Mcp-Params are checked, others forwarded',
    needs: ['modern', 'aggregate'],
    run: async (scene) => {
      const name = scene.named('modern', 'params');
      const params = { name, arguments: { tag: scene.tag, region: 'eu' } };
      const right = { 'mcp-param-region': 'eu', 'mcp-param-elsewhere': 'x' };
      assertTagged(
        await scene.modern(scene.aggregate(), 'tools/call', params, { headers: right }),
        scene.tag,
      );
      const { headers, message } = await scene.hearing.first(scene.tag);
      const { name: own } = message['params'] as { readonly name: string };
      assert.equal(own, 'params');
      assert.deepEqual(
        [headers['mcp-name'], headers['mcp-param-region'], headers['mcp-param-elsewhere']],
        [own, 'eu', 'x'],
      );
      const wrong = { 'mcp-param-region': 'us' };
      assertError(
        await scene.modern(scene.aggregate(), 'tools/call', params, { headers: wrong }),
        mismatch,
        400,
      );
      assert.equal(scene.hearing.of(scene.tag).length, 1);
    },
  },
  {
    name: 'a legacy caller gives no headers: a modern server gets all of them from the gateway',
    needs: ['modern'],
    run: async (scene) => {
      const client = await scene.legacy(scene.door('modern'));
      const args = { region: 'zürich', count: 7, flag: true, nested: { deep: 'x' } };
      const reply = await client.ask('tools/call', scene.toolParams('params', args));
      assert.equal(structured(resultOf(reply))['tag'], scene.tag);
      const said = decodedHeaders((await scene.hearing.first(scene.tag)).headers);
      assert.deepEqual(
        { ...paramsInHeaders(args), 'mcp-name': 'params', 'mcp-method': 'tools/call' },
        Object.fromEntries(
          [...Object.keys(paramsInHeaders(args)), 'mcp-name', 'mcp-method'].map((name) => [name, said[name]]),
        ),
      );
      assert.equal(said['mcp-protocol-version'], '2026-07-28');
    },
  },
  {
    name: 'a header that stands twice is refused',
    needs: ['modern'],
    run: async (scene) => {
      const {
        headers,
        body = '',
        url,
      } = modernRequest(scene.door('modern'), 'tools/call', echo(scene), { credentials: scene.owner });
      const lines: [string, string][] = [...Object.entries(headers), ['mcp-name', 'hidden']];
      const answer = await probe(url, { method: 'POST', headers: lines, body });
      assert.equal(answer.status, 400, answer.body.slice(0, 300));
      assert.equal(scene.hearing.of(scene.tag).length, 0);
    },
  },
];

export const headerChecks: Group = {
  title: 'headers and body',
  checks: [...refused.map(refusal), ...accepted.map(acceptance), ...forwarded],
};
