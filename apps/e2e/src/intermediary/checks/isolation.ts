/** What one principal may see is not shown to another: lists, caches, credentials. */

import assert from 'node:assert/strict';
import type { JsonObject } from '@cruvero/core';
import { assertTagged, resultOf, type Check, type Group, type Scene } from '../check.ts';
import type { LegacyClient } from '../client/legacy.ts';
import { serverEra, serverKinds, type Credentials, type ServerKind } from '../target.ts';
import { privateUri } from '../upstream/offer.ts';

const restricted = (scene: Scene) =>
  scene.target.restricted ?? assert.fail('there is no restricted principal');

async function names(
  scene: Scene,
  url: string,
  credentials: Credentials,
): Promise<{ names: readonly string[]; scope: unknown }> {
  const found: string[] = [];
  let scope: unknown;
  let cursor: unknown;
  do {
    const params = typeof cursor === 'string' ? { cursor } : {};
    const result = resultOf(await scene.modern(url, 'tools/list', params, { credentials }));
    found.push(...(result['tools'] as readonly JsonObject[]).map((tool) => String(tool['name'])));
    scope = result['cacheScope'];
    cursor = result['nextCursor'];
  } while (cursor !== undefined);
  return { names: found, scope };
}

function lists(kind: ServerKind): Check {
  return {
    name: `a tool of ${kind} that a principal may not see is not in its lists, whoever asked before`,
    needs: [kind, 'restricted principal'],
    run: async (scene) => {
      const { credentials, hiddenTool } = restricted(scene);
      const doors = [[scene.door(kind), hiddenTool] as const];
      if (scene.target.aggregate) doors.push([scene.aggregate(), scene.named(kind, hiddenTool)] as const);
      for (const [url, name] of doors) {
        for (let round = 0; round < 2; round += 1) {
          const own = await names(scene, url, scene.owner);
          assert.ok(own.names.includes(name), `${name} in ${own.names.join()}`);
          const theirs = await names(scene, url, credentials);
          assert.ok(!theirs.names.includes(name), `${name} in ${theirs.names.join()}`);
          assert.equal(theirs.scope, 'private', 'a list that depends on who asks is private');
        }
      }
    },
  };
}

function calls(kind: ServerKind): Check {
  return {
    name: `a tool of ${kind} that a principal may not see cannot be called by it`,
    needs: [kind, 'restricted principal'],
    run: async (scene) => {
      const { credentials, hiddenTool } = restricted(scene);
      const reply = await scene.call(kind, hiddenTool, {}, { credentials });
      assert.ok('error' in reply.message, JSON.stringify(reply.message));
      const session = await scene.legacy(scene.door(kind), { credentials });
      const { message } = await session.ask('tools/call', scene.toolParams(hiddenTool));
      assert.ok(
        'error' in message || (message['result'] as JsonObject)['isError'] === true,
        JSON.stringify(message),
      );
      assert.equal(scene.hearing.of(scene.tag).length, 0, 'the server hears of neither');
    },
  };
}

const privateReads: Check = {
  name: 'what a server calls private for one principal is not given to another',
  needs: ['modern', 'second principal'],
  run: async (scene) => {
    const read = async (credentials: Credentials): Promise<unknown> => {
      const reply = await scene.modern(
        scene.door('modern'),
        'resources/read',
        { uri: privateUri },
        { credentials },
      );
      const result = resultOf(reply);
      assert.equal(result['cacheScope'], 'private');
      return (result['contents'] as readonly JsonObject[])[0]?.['text'];
    };
    const [mine, theirs] = [await read(scene.owner), await read(scene.other)];
    assert.notEqual(mine, theirs, 'each was read for its own caller');
  },
};

const canary = 'canary-4f9d2c';
/** Headers that a careless gateway hands on. */
const canaries = {
  cookie: `session=${canary}`,
  'x-vault-token': canary,
  'x-forwarded-access-token': canary,
  'x-auth-request-access-token': canary,
  'proxy-authorization': `Basic ${canary}`,
  'x-amz-security-token': canary,
} as const;

/** Secrets of the caller's own: words that stand in its credentials. */
const secretsOf = (credentials: Credentials): readonly string[] =>
  Object.values(credentials).flatMap((value) => value.split(/\s+/).filter((word) => word.length > 8));

function assertUnseen(scene: Scene, since: number, secrets: readonly string[]): void {
  for (const { headers, server, text } of scene.hearing.all.slice(since)) {
    const seen = JSON.stringify(headers) + text;
    for (const secret of secrets)
      assert.ok(!seen.includes(secret), `${server} was shown ${secret} in ${seen.slice(0, 500)}`);
  }
}

function passthrough(kind: ServerKind): Check {
  return {
    name: `no credential of a caller reaches ${kind}`,
    needs: [kind],
    run: async (scene) => {
      const since = scene.hearing.all.length;
      const secrets = [canary, ...secretsOf(scene.owner)];
      const session = { 'mcp-session-id': `session-${canary}` };
      const own =
        'x-api-key' in scene.owner || 'authorization' in scene.owner
          ? {}
          : { authorization: `Bearer ${canary}` };
      const headers = { ...canaries, ...own };
      assertTagged(await scene.call(kind, 'echo', {}, { headers: { ...headers, ...session } }), scene.tag);
      const client: LegacyClient = await scene.legacy(scene.door(kind));
      assertTagged(await client.ask('tools/call', scene.toolParams('echo'), { headers }), scene.tag);
      const stream = await client.listen();
      scene.upstream.world(kind).change('tools');
      await stream.told('notifications/tools/list_changed');
      stream.close();
      assert.equal(scene.hearing.of(scene.tag).length, 2);
      assertUnseen(scene, since, [...secrets, client.sessionId]);
    },
  };
}

const keyInOtherHeader: Check = {
  name: 'a key presented as X-Api-Key does not reach a server either',
  needs: ['modern'],
  run: async (scene) => {
    const bearer = /^Bearer (\S+)$/i.exec(scene.owner['authorization'] ?? '')?.[1];
    if (bearer === undefined) return;
    const since = scene.hearing.all.length;
    const credentials = { 'x-api-key': bearer };
    assertTagged(await scene.call('modern', 'echo', {}, { credentials }), scene.tag);
    assertUnseen(scene, since, [bearer]);
  },
};

const sessionIds: readonly Check[] = serverKinds
  .filter((kind) => serverEra(kind) === 'legacy' && !kind.startsWith('stdio'))
  .map((kind) => ({
    name: `two principals are two sessions at ${kind}`,
    needs: [kind, 'second principal'],
    run: async (scene) => {
      for (const credentials of [scene.owner, scene.other])
        assertTagged(await scene.call(kind, 'echo', {}, { credentials }), scene.tag);
      const [mine, theirs] = scene.hearing.of(scene.tag);
      if (kind === 'legacy')
        assert.notEqual(mine?.headers['mcp-session-id'], theirs?.headers['mcp-session-id']);
      assert.ok(mine && theirs);
    },
  }));

export const isolationChecks: Group = {
  title: 'principals apart',
  checks: [
    ...serverKinds.map(lists),
    ...serverKinds.map(calls),
    privateReads,
    ...sessionIds,
    ...serverKinds.map(passthrough),
    keyInOtherHeader,
  ],
};
