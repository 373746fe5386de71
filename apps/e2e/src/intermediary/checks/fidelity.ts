/** What a gateway does not have to change passes to the letter, in both directions. */

import assert from 'node:assert/strict';
import { assertTagged, resultOf, type Check, type Group } from '../check.ts';
import { Incoming } from '../client/incoming.ts';
import { modernRequest } from '../client/modern.ts';
import { serverEra, serverKinds, type ServerKind } from '../target.ts';
import { exoticContent, exoticMembers, exoticMeta } from '../upstream/offer.ts';

function assertExotic(text: string): void {
  for (const piece of [exoticMembers, exoticContent, exoticMeta])
    assert.ok(text.includes(piece), `${piece} in ${text}`);
}

const results = (kind: ServerKind): Check => ({
  name: `a result of ${kind}: unknown members, content types and _meta, spelling of numbers, order of keys`,
  needs: [kind],
  run: async (scene) => {
    const { incoming } = await scene.call(kind, 'exotic');
    assertExotic(incoming.text);
    const client = await scene.legacy(scene.door(kind));
    assertExotic((await client.ask('tools/call', scene.toolParams('exotic'))).incoming.text);
    if (!scene.target.aggregate) return;
    const params = { name: scene.named(kind, 'exotic'), arguments: { tag: scene.tag } };
    assertExotic((await scene.modern(scene.aggregate(), 'tools/call', params)).incoming.text);
  },
});

const exoticArguments = (tag: string): string =>
  `{"z":1,"tag":"${tag}","a":9223372036854775807,"e":1e400,"f":-0.0,"g":1.50E+2,"k":{"y":0,"x":"\\u0061"}}`;

const requests = (kind: ServerKind): Check => ({
  name: `arguments for ${kind}, and _meta of others`,
  needs: [kind],
  run: async (scene) => {
    const argumentsText = exoticArguments(scene.tag);
    const meta = { 'vendor.test/mine': { kept: [1, 'two'] } };
    const url = scene.door(kind);
    assertTagged(await scene.modern(url, 'tools/call', { name: 'echo' }, { argumentsText, meta }), scene.tag);
    const client = await scene.legacy(url);
    assertTagged(await client.ask('tools/call', { name: 'echo' }, { argumentsText, meta }), scene.tag);
    const heard = scene.hearing.of(scene.tag);
    assert.equal(heard.length, 2);
    for (const { text } of heard) {
      assert.ok(text.includes(argumentsText), `${argumentsText} in ${text}`);
      assert.ok(text.includes('"vendor.test/mine":{"kept":[1,"two"]}'), text);
    }
  },
});

const notes = (kind: ServerKind): Check => ({
  name: `notifications of ${kind} with _meta of others`,
  needs: [kind],
  run: async (scene) => {
    const incoming = await scene.callOpen(kind, 'wait', {}, { progressToken: 'p' });
    const { params } = await incoming.told('notifications/progress');
    scene.upstream.world(kind).release(scene.tag);
    await incoming.final();
    const { _meta: meta, message } = params as { readonly _meta?: unknown; readonly message?: unknown };
    assert.deepEqual([meta, message], [{ 'vendor.test/of': scene.tag }, scene.tag]);
  },
});

const definitions = (kind: ServerKind): Check => ({
  name: `definitions of ${kind}: unknown members stay`,
  needs: [kind],
  run: async (scene) => {
    const urls = [scene.door(kind), ...(scene.target.aggregate ? [scene.aggregate()] : [])];
    for (const url of urls) {
      const tools = (await scene.modern(url, 'tools/list')).incoming.text;
      assert.ok(tools.includes('"vendor.test/unknown":{"kept":[1,2.5,null]}'), tools);
      assert.ok(
        tools.includes('"vendor.test/hint":"kept"') && tools.includes('"x-mcp-header":"Region"'),
        tools,
      );
      for (const list of ['prompts/list', 'resources/list', 'resources/templates/list']) {
        const { text } = (await scene.modern(url, list)).incoming;
        assert.match(text, /"vendor\.test\/unknown":(?:"kept"|true)/, `${list} at ${url}`);
      }
    }
  },
});

const methods = (kind: ServerKind): Check => ({
  name: `a method of others at ${kind}`,
  needs: [kind],
  run: async (scene) => {
    const what = { tag: scene.tag };
    const reply = await scene.modern(scene.door(kind), 'vendor.test/do', { 'vendor.test/what': what });
    assert.deepEqual(resultOf(reply)['vendor.test/done'], what);
    const client = await scene.legacy(scene.door(kind));
    assert.deepEqual(
      resultOf(await client.ask('vendor.test/do', { 'vendor.test/what': what }))['vendor.test/done'],
      what,
    );
  },
});

const ambiguities: readonly (readonly [name: string, change: (body: string) => string])[] = [
  ['a key that stands twice', (body) => body.replace('"name":"echo"', '"name":"hidden","name":"echo"')],
  [
    'a method that stands twice',
    (body) => body.replace('"method":"tools/call"', '"method":"ping","method":"tools/call"'),
  ],
  ['a key in other case', (body) => body.replace('"jsonrpc":"2.0"', '"jsonrpc":"2.0","Method":"tools/list"')],
];

const ambiguous = ambiguities.map(([name, change]): Check => ({
  name: `${name} makes a message that nobody takes`,
  needs: ['modern'],
  run: async (scene) => {
    const params = scene.toolParams('echo');
    const right = modernRequest(scene.door('modern'), 'tools/call', params, { credentials: scene.owner });
    const body = change(right.body ?? '');
    assert.notEqual(body, right.body);
    const answer = await Incoming.open({ ...right, body });
    await answer.end();
    assert.equal(answer.status, 400, answer.text);
    assert.equal(scene.hearing.of(scene.tag).length, 0);
  },
}));

const eras: readonly Check[] = serverKinds.map((kind) => ({
  name: `members of the other era are not shown to callers of ${kind}`,
  needs: [kind],
  run: async (scene) => {
    const modern = resultOf(await scene.call(kind, 'echo'));
    assert.equal(modern['resultType'], 'complete');
    const client = await scene.legacy(scene.door(kind));
    const legacy = resultOf(await client.ask('tools/call', scene.toolParams('echo')));
    assert.equal(legacy['resultType'], undefined);
    const heard = scene.hearing.of(scene.tag);
    assert.equal(heard.length, 2);
    for (const { text } of heard) {
      const isEnveloped = text.includes('io.modelcontextprotocol/protocolVersion');
      assert.equal(isEnveloped, serverEra(kind) === 'modern', text);
    }
  },
}));

export const fidelityChecks: Group = {
  title: 'to the letter',
  checks: [
    ...serverKinds.flatMap((kind) => [
      results(kind),
      requests(kind),
      notes(kind),
      definitions(kind),
      methods(kind),
    ]),
    ...ambiguous,
    ...eras,
  ],
};
