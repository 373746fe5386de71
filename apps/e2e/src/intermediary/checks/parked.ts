/** Callers of 2026-07-28 at servers that ask in the middle of a call: the call waits, and goes on wherever its caller comes back. */

import assert from 'node:assert/strict';
import { isJsonObject, type JsonObject } from '@cruvero/core';
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
import { answersTo, expectedAnswers } from '../client/answers.ts';
import { answersAll } from '../client/modern.ts';
import { serverEra, serverKinds, type ServerKind } from '../target.ts';

const legacyKinds = serverKinds.filter((kind) => serverEra(kind) === 'legacy');
const capabilities = answersAll;

interface Asked {
  readonly state: string;
  /** Answers to all that was asked. */
  readonly answers: JsonObject;
}

function readAsked(scene: Scene, result: JsonObject): Asked {
  assert.equal(result['resultType'], 'input_required', JSON.stringify(result));
  const { requestState } = result;
  assert.ok(typeof requestState === 'string', 'a state comes with the questions');
  return { state: requestState, answers: answersTo(scene.tag, result) };
}

async function begin(scene: Scene, kind: ServerKind, kinds: readonly string[]): Promise<Asked> {
  return readAsked(scene, resultOf(await scene.call(kind, 'ask', { kinds }, { capabilities })));
}

function retry(scene: Scene, kind: ServerKind, kinds: readonly string[], asked: Asked, over: Over = {}) {
  const params = {
    ...scene.toolParams('ask', { kinds }),
    requestState: asked.state,
    inputResponses: asked.answers,
  };
  return scene.modern(scene.door(kind, over.replica), 'tools/call', params, { id: 2, capabilities, ...over });
}

async function assertAnswered(
  scene: Scene,
  reply: Awaited<ReturnType<typeof retry>>,
  kinds: readonly string[],
): Promise<void> {
  assert.deepEqual(structured(resultOf(reply))['answers'], expectedAnswers(scene.tag, kinds));
  assert.equal(scene.hearing.of(scene.tag).length, 1, 'the server was called once');
}

const all = ['form', 'url', 'sampling', 'roots'];

function onReplica(kind: ServerKind, replica: number): Check {
  return {
    name: `a call to ${kind} goes on when its caller answers${replica === 0 ? '' : ' at another replica'}`,
    needs: replica === 0 ? [kind] : [kind, 'second replica'],
    run: async (scene) => {
      const asked = await begin(scene, kind, all);
      assert.equal(
        Object.keys(asked.answers).length,
        all.length,
        'what a server asks at once is asked at once',
      );
      await assertAnswered(scene, await retry(scene, kind, all, asked, { replica }), all);
    },
  };
}

function inParts(kind: ServerKind): Check {
  return {
    name: `what is not answered is asked again by ${kind}, and answers too many are ignored`,
    needs: [kind],
    run: async (scene) => {
      const kinds = ['form', 'sampling'];
      const asked = await begin(scene, kind, kinds);
      const [first = '', second = ''] = Object.keys(asked.answers);
      const half = { 'vendor.test/extra': { a: 1 }, [first]: asked.answers[first] ?? null };
      const again = readAsked(
        scene,
        resultOf(await retry(scene, kind, kinds, { state: asked.state, answers: half }, { replica: 1 })),
      );
      assert.equal(Object.keys(again.answers).length, 1, 'only the rest is asked');
      assert.deepEqual(Object.values(again.answers)[0], asked.answers[second]);
      await assertAnswered(scene, await retry(scene, kind, kinds, again), kinds);
    },
  };
}

function bound(kind: ServerKind): Check {
  return {
    name: `a call that waits at ${kind} goes on for its own caller only, and only as it was`,
    needs: [kind, 'second principal'],
    run: async (scene) => {
      const kinds = ['form'];
      const asked = await begin(scene, kind, kinds);
      assertError(await retry(scene, kind, kinds, asked, { credentials: scene.other }), -32602, 400);
      assertError(await retry(scene, kind, ['roots'], asked), -32602, 400);
      const cut = { ...asked, state: asked.state.slice(0, -2) };
      assertError(await retry(scene, kind, kinds, cut), -32602, 400);
      await assertAnswered(scene, await retry(scene, kind, kinds, asked), kinds);
      assertError(await retry(scene, kind, kinds, asked), -32602, 400);
      assert.equal(scene.hearing.of(scene.tag).length, 1, 'a state that was used does not call again');
    },
  };
}

function expired(kind: ServerKind): Check {
  return {
    name: `a call that waits at ${kind} for a caller that does not come back is cancelled there`,
    needs: [kind, 'short expiry'],
    waits: true,
    run: async (scene) => {
      const asked = await begin(scene, kind, ['form']);
      const heard = await scene.hearing.first(scene.tag);
      const withinMs = (scene.target.questionMs ?? 0) + 5_000;
      await scene.hearing.notice.until(
        `${kind} is told of the end`,
        () => heard.end === 'cancelled',
        withinMs,
      );
      assertError(await retry(scene, kind, ['form'], asked), -32602, 400);
    },
  };
}

function undeclared(kind: ServerKind): Check {
  return {
    name: `a caller that declared nothing is not asked by ${kind}`,
    needs: [kind],
    run: async (scene) => {
      const reply = await scene.call(kind, 'ask', { kinds: ['form'] });
      const { result, error } = reply.message;
      if (isJsonObject(result)) assert.notEqual(result['resultType'], 'input_required');
      else assert.ok(error !== undefined);
    },
  };
}

const both: Check = {
  name: 'calls of one caller that wait at one server at once keep their questions apart',
  needs: ['legacy'],
  run: async (scene) => {
    const one = async (n: number): Promise<void> => {
      const tag = `${scene.tag}-${n}`;
      const params = { name: 'ask', arguments: { tag, kinds: ['form'] } };
      const first = resultOf(
        await scene.modern(scene.door('legacy', n), 'tools/call', params, { capabilities }),
      );
      assert.ok(JSON.stringify(first['inputRequests']).includes(tag), `${tag} in ${JSON.stringify(first)}`);
      const more = { requestState: String(first['requestState']), inputResponses: answersTo(tag, first) };
      const last = await scene.modern(
        scene.door('legacy', n >> 1),
        'tools/call',
        { ...params, ...more },
        { capabilities },
      );
      assertTagged(last, tag);
      assert.deepEqual(structured(resultOf(last))['answers'], expectedAnswers(tag, ['form']));
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => one(n)));
  },
};

export const parkedChecks: Group = {
  title: 'calls that wait for answers',
  checks: [
    ...legacyKinds.flatMap((kind) => [
      onReplica(kind, 0),
      onReplica(kind, 1),
      inParts(kind),
      bound(kind),
      undeclared(kind),
    ]),
    both,
    ...legacyKinds.map(expired),
  ],
};
