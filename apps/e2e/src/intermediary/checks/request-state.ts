/** A server's own state between two rounds: back to the letter from its own caller, and from nobody else. */

import assert from 'node:assert/strict';
import type { JsonObject } from '@cruvero/core';
import {
  assertError,
  resultOf,
  structured,
  type Check,
  type Group,
  type Over,
  type Scene,
} from '../check.ts';
import { answersTo } from '../client/answers.ts';
import { answersAll } from '../client/modern.ts';
import { peculiarState } from '../upstream/offer.ts';

const capabilities = answersAll;
const servers = ['modern', 'stdio-modern'] as const;
type Modern = (typeof servers)[number];

/** The first round; gives the state as the caller got it. */
async function begin(
  scene: Scene,
  kind: Modern,
): Promise<{ readonly state: string; readonly inputResponses: JsonObject }> {
  const result = resultOf(await scene.call(kind, 'remember', {}, { capabilities }));
  assert.equal(result['resultType'], 'input_required', JSON.stringify(result));
  const state = result['requestState'];
  assert.ok(typeof state === 'string', 'a state comes with the questions');
  return { state, inputResponses: answersTo(scene.tag, result) };
}

/** The second round, as it is given. */
function retry(
  scene: Scene,
  kind: Modern,
  more: JsonObject,
  over: Over & { readonly args?: JsonObject; readonly tool?: string } = {},
) {
  const params = { ...scene.toolParams(over.tool ?? 'remember', over.args), ...more };
  return scene.modern(scene.door(kind, over.replica), 'tools/call', params, { id: 2, capabilities, ...over });
}

function toTheLetter(kind: Modern, replica: number): Check {
  const where = replica === 0 ? '' : ', through another replica';
  return {
    name: `the state of ${kind} comes back to the letter${where}`,
    needs: replica === 0 ? [kind] : [kind, 'second replica'],
    run: async (scene) => {
      const { state, inputResponses } = await begin(scene, kind);
      const result = resultOf(await retry(scene, kind, { requestState: state, inputResponses }, { replica }));
      assert.equal(structured(result)['state'], peculiarState(scene.tag));
      assert.deepEqual(structured(result)['answers'], inputResponses);
    },
  };
}

/** A character that is another one at this place. */
function changedAt(state: string, at: number): string {
  const other = state[at] === 'A' ? 'B' : 'A';
  return state.slice(0, at) + other + state.slice(at + 1);
}

/** The second round is refused, and its server hears nothing. */
function refusal(
  name: string,
  change: (state: string, scene: Scene) => string,
  over: Parameters<typeof retry>[3] | ((scene: Scene) => Parameters<typeof retry>[3]) = {},
  needs: Check['needs'] = [],
): Check {
  return {
    name: `refused with -32602: ${name}`,
    needs: ['modern', ...needs],
    run: async (scene) => {
      const { state, inputResponses } = await begin(scene, 'modern');
      const more = { requestState: change(state, scene), inputResponses };
      const given = typeof over === 'function' ? over(scene) : over;
      assertError(await retry(scene, 'modern', more, given), -32602, 400);
      assert.equal(scene.hearing.of(scene.tag).length, 1, 'the server hears of the first round only');
      const right = resultOf(await retry(scene, 'modern', { requestState: state, inputResponses }));
      assert.equal(structured(right)['state'], peculiarState(scene.tag), 'its own caller can still go on');
    },
  };
}

const same = (state: string): string => state;

const refusals: readonly Check[] = [
  refusal('the first character is another one', (state) => changedAt(state, 0)),
  refusal('a character in the middle is another one', (state) => changedAt(state, state.length >> 1)),
  refusal('the last character is another one', (state) => changedAt(state, state.length - 1)),
  refusal('a state cut short', (state) => state.slice(0, -4)),
  refusal('a state with something behind it', (state) => `${state}AAAA`),
  refusal('an empty state', () => ''),
  refusal("the server's own state as it is there", (_state, scene) => peculiarState(scene.tag)),
  refusal('a state replayed by another principal', same, (scene) => ({ credentials: scene.other }), [
    'second principal',
  ]),
  refusal('a state for other arguments', same, { args: { more: true } }),
  refusal('a state for another tool', same, { tool: 'ask' }),
];

const elsewhere: Check = {
  name: 'refused with -32602: a state of another server',
  needs: ['modern', 'stdio-modern'],
  run: async (scene) => {
    const { state, inputResponses } = await begin(scene, 'modern');
    assertError(await retry(scene, 'stdio-modern', { requestState: state, inputResponses }), -32602, 400);
    assert.equal(scene.hearing.of(scene.tag).length, 1);
  },
};

const renamed: Check = {
  name: 'the state comes back to the letter on the aggregate',
  needs: ['modern', 'aggregate'],
  run: async (scene) => {
    const params = { name: scene.named('modern', 'remember'), arguments: { tag: scene.tag } };
    const first = resultOf(await scene.modern(scene.aggregate(), 'tools/call', params, { capabilities }));
    const more = { requestState: String(first['requestState']), inputResponses: answersTo(scene.tag, first) };
    const last = resultOf(
      await scene.modern(scene.aggregate(1), 'tools/call', { ...params, ...more }, { capabilities }),
    );
    assert.equal(structured(last)['state'], peculiarState(scene.tag));
  },
};

export const requestStateChecks: Group = {
  title: 'state between rounds',
  checks: [
    ...servers.flatMap((kind) => [toTheLetter(kind, 0), toTheLetter(kind, 1)]),
    ...refusals,
    elsewhere,
    renamed,
  ],
};
