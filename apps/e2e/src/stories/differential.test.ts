/** What a server answers through the gateway is what it answers directly, field by field, at both doors and in all four cells. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  isJsonObject,
  listKinds,
  readServerName,
  type Json,
  type JsonObject,
  type ServerName,
} from '@cruvero/core';
import {
  startLegacyServer,
  startLegacySseServer,
  startModernServer,
  type FixtureServer,
} from '@cruvero/testkit';
import fc from 'fast-check';
import { argumentsOf } from '../harness/arguments.fixture.ts';
import { connect, type ClientKind, type StoryClient } from '../harness/clients.fixture.ts';
import { modernCommand, referenceServers } from '../harness/config-file.fixture.ts';
import { direct } from '../harness/direct.fixture.ts';
import { startEverything, type EverythingServer } from '../harness/everything.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import {
  aggregateView,
  plainView,
  timeless,
  withoutEra,
  type Outcome,
  type View,
} from '../harness/view.fixture.ts';

const clientKinds: readonly ClientKind[] = ['legacy', 'modern'];
const runsOfATool = 4;

/** What to ask of a server, in its own words. */
interface Subject {
  readonly name: ServerName;
  /** Tools that cannot be compared, each with the reason. */
  readonly left: Readonly<Record<string, string>>;
  /** Arguments that no schema leads to. */
  readonly given: Readonly<Record<string, readonly JsonObject[]>>;
  readonly resources: readonly string[];
  readonly prompts: Readonly<Record<string, readonly JsonObject[]>>;
  readonly completions: readonly JsonObject[];
  direct(): Promise<StoryClient>;
}

const nameOf = (text: string): ServerName => readServerName(text) ?? assert.fail(text);
const promptRef = (name: string) => ({ type: 'ref/prompt', name });
const resourceRef = (uri: string) => ({ type: 'ref/resource', uri });

const everything: Subject = {
  name: nameOf('everything'),
  left: { 'get-env': 'it tells the environment of its process' },
  given: {
    'gzip-file-as-resource': ['resource', 'resourceLink'].map((outputType) => ({
      name: 'e2e.gz',
      data: 'data:text/plain;base64,aGVsbG8gd29ybGQ=',
      outputType,
    })),
    'trigger-long-running-operation': [{ duration: 0.02, steps: 2 }],
    'get-resource-reference': [
      { resourceType: 'Text', resourceId: 3 },
      { resourceType: 'Blob', resourceId: 4 },
      {},
    ],
    // Twice: on, and off again.
    'toggle-simulated-logging': [{}, {}],
    'toggle-subscriber-updates': [{}, {}],
  },
  resources: [
    'demo://resource/dynamic/text/7',
    'demo://resource/dynamic/blob/8',
    'demo://resource/dynamic/text/no-number',
    'demo://resource/nowhere',
  ],
  prompts: {
    'simple-prompt': [{}],
    'args-prompt': [{ city: 'Köln' }, { city: 'Paris', state: 'Texas "quoted" {"a":1}' }, {}],
    'completable-prompt': [{ department: 'Engineering', name: 'Alice' }],
    'resource-prompt': [
      { resourceType: 'Text', resourceId: '1' },
      { resourceType: 'Blob', resourceId: '2' },
    ],
    'no-such-prompt': [{}],
  },
  completions: [
    { ref: promptRef('completable-prompt'), argument: { name: 'department', value: '' } },
    { ref: promptRef('completable-prompt'), argument: { name: 'department', value: 'E' } },
    {
      ref: promptRef('completable-prompt'),
      argument: { name: 'name', value: '' },
      context: { arguments: { department: 'Sales' } },
    },
    { ref: promptRef('resource-prompt'), argument: { name: 'resourceType', value: 'T' } },
    {
      ref: resourceRef('demo://resource/dynamic/text/{resourceId}'),
      argument: { name: 'resourceId', value: '4' },
    },
    { ref: promptRef('no-such-prompt'), argument: { name: 'a', value: '' } },
  ],
  direct: () => direct(referenceServers('/nowhere')['everything'] ?? assert.fail()),
};

/** The same over HTTP, beside the same process without a gateway. */
const everythingOver = (name: string, url: () => string): Subject => ({
  ...everything,
  name: nameOf(name),
  left: {
    ...everything.left,
    'gzip-file-as-resource': 'a file made in one session goes when another session makes it too',
  },
  direct: () => connect('legacy', { url: url().replace(/\/mcp$/, '') }),
});

/** The fixtures of testkit, whose definitions and results are full of members that no schema knows. */
const fixture = (label: string, kind: ClientKind, server: () => FixtureServer): Subject => ({
  name: nameOf(label),
  left: {
    'whoami-headers': 'it tells the headers of its caller',
    counted: 'it counts its callers',
    'counted-idempotent': 'it counts its callers',
    'counted-read-only': 'it counts its callers',
    'change-tools': 'it changes the server',
  },
  given: { slow: [{ ms: 3, steps: 3 }], big: [{ bytes: 0 }, { bytes: 300_000 }] },
  resources: ['fixture://people/ada', 'fixture://nobody/here'],
  prompts: { review: [{ language: 'german', code: 'a\n  "b"' }, { code: '{}' }], 'no-such-prompt': [{}] },
  completions: [
    { ref: promptRef('review'), argument: { name: 'language', value: '' } },
    { ref: resourceRef('fixture://people/{name}'), argument: { name: 'name', value: 'a' } },
    { ref: promptRef('no-such-prompt'), argument: { name: 'a', value: '' } },
  ],
  direct: () => connect(kind, { url: server().url.replace(/\/mcp$/, '') }),
});

/** Over stdio the fixture has three more tools, so it is compared with one of its own. */
const newCommand = modernCommand('--name=new', '--tools-per-page=5');
const likeFixture = fixture('new-command', 'modern', () => assert.fail());
const modernByCommand: Subject = {
  ...likeFixture,
  left: {
    ...likeFixture.left,
    exit: 'it ends the server',
    'write-stderr': 'it writes where no client sees it',
    environment: 'it tells the environment of its process',
  },
  direct: () => direct(newCommand, 'modern'),
};

async function compare(straight: View, view: View, method: string, params: JsonObject): Promise<void> {
  const [expected, got] = [await straight.ask(method, params), await view.ask(method, params)];
  // In the same era to the last member, across eras all but what the other one does not know.
  const sameEra = straight.client.kind === view.client.kind;
  const seen = (outcome: Outcome): Outcome => timeless(sameEra ? outcome : withoutEra(outcome));
  assert.deepEqual(seen(got), seen(expected), `${method} ${JSON.stringify(params)} ${view.name}`);
}

/** How often tools were called on each side. */
async function compareTools(subject: Subject, straight: View, view: View): Promise<number> {
  const tools = (await straight.list('tools')) as readonly JsonObject[];
  let calls = 0;
  for (const tool of tools) {
    const name = String(tool['name']);
    if (name in subject.left) continue;
    const call = async (args: JsonObject): Promise<void> => {
      calls += 1;
      await compare(straight, view, 'tools/call', { name, arguments: args });
    };
    for (const args of subject.given[name] ?? []) await call(args);
    const generated = name in subject.given ? undefined : argumentsOf(tool['inputSchema']);
    if (generated) await fc.assert(fc.asyncProperty(generated, call), { numRuns: runsOfATool });
    assert.ok(generated ?? subject.given[name], `nobody knows how to call ${name}`);
  }
  // Arguments that no schema allows, and a name that nobody has.
  const first = String(tools[0]?.['name']);
  await compare(straight, view, 'tools/call', { name: first, arguments: { message: 7, text: [null] } });
  return calls;
}

async function compareRest(subject: Subject, straight: View, view: View): Promise<void> {
  const uris = (await straight.list('resources')).map((item) => String((item as JsonObject)['uri']));
  for (const uri of [...uris, ...subject.resources]) await compare(straight, view, 'resources/read', { uri });
  for (const [name, all] of Object.entries(subject.prompts)) {
    for (const args of all) await compare(straight, view, 'prompts/get', { name, arguments: args });
  }
  for (const completion of subject.completions)
    await compare(straight, view, 'completion/complete', completion);
}

/** How a tool may be run as a task in 2025-11-25; later versions do not know it, so modern clients are not told. */
function withoutExecution(item: Json): Json {
  if (!isJsonObject(item)) return item;
  const { execution: _legacyOnly, ...rest } = item;
  return rest;
}

async function compareLists(straight: View, view: View): Promise<void> {
  const counts: Json[] = [];
  for (const kind of listKinds) {
    const expected = (await straight.list(kind)).map(withoutExecution);
    assert.deepEqual((await view.list(kind)).map(withoutExecution), expected, `${kind} ${view.name}`);
    counts.push(expected.length);
  }
  assert.ok(
    counts.every((count) => Number(count) > 0),
    `something of each kind is compared: ${counts.join()}`,
  );
}

interface Opened extends AsyncDisposable {
  readonly straight: View;
  /** Both doors, for both clients. */
  readonly doors: readonly View[];
  readonly views: readonly View[];
}

async function open(subject: Subject, layout: Layout): Promise<Opened> {
  await using stack = new AsyncDisposableStack();
  const straight = plainView('directly', stack.use(await subject.direct()));
  const doors: View[] = [];
  const aggregates: View[] = [];
  for (const kind of clientKinds) {
    const door = stack.use(await connect(kind, layout, `/servers/${subject.name}/mcp`));
    doors.push(plainView(`at its own door for the ${kind} client`, door));
    const aggregate = stack.use(await connect(kind, layout));
    aggregates.push(aggregateView(`on the aggregate for the ${kind} client`, aggregate, subject.name));
  }
  const all = stack.move();
  return {
    straight,
    doors,
    views: [...doors, ...aggregates],
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function differ(subject: Subject, layout: () => Layout): void {
  describe(`the server ${subject.name}`, () => {
    let opened: Opened;
    before(async () => {
      opened = await open(subject, layout());
    });
    after(() => opened[Symbol.asyncDispose]());

    it('says of itself what it says directly', () => {
      const { name, instructions } = opened.straight.client.face();
      for (const { client } of opened.doors) {
        assert.deepEqual([client.face().name, client.face().instructions], [name, instructions]);
      }
    });
    it('lists the same tools, resources, templates and prompts', async () => {
      for (const view of opened.views) await compareLists(opened.straight, view);
    });
    it('answers every tool the same', async (t) => {
      let calls = 0;
      for (const view of opened.views) calls += await compareTools(subject, opened.straight, view);
      t.diagnostic(`${calls} calls compared, over ${opened.views.length} ways through the gateway`);
    });
    it('answers every resource, prompt and completion the same', async () => {
      for (const view of opened.views) await compareRest(subject, opened.straight, view);
    });
  });
}

let legacyServer: FixtureServer;
let sseServer: FixtureServer;
let modernServer: FixtureServer;
let everythingHttp: EverythingServer;
let everythingSse: EverythingServer;
before(async () => {
  [everythingHttp, everythingSse] = await Promise.all([startEverything('http'), startEverything('sse')]);
  legacyServer = await startLegacyServer({ serverName: 'old', toolsPerPage: 5 });
  // What comes over HTTP+SSE is compared with the same catalogue over Streamable HTTP.
  sseServer = await startLegacySseServer({ serverName: 'old', toolsPerPage: 5 });
  modernServer = await startModernServer({ serverName: 'new', toolsPerPage: 5 });
});
after(() =>
  Promise.all([
    ...[legacyServer, sseServer, modernServer].map((server) => server?.close()),
    ...[everythingHttp, everythingSse].map((server) => server?.[Symbol.asyncDispose]()),
  ]),
);

overLayouts(
  'results through the gateway equal direct ones',
  () => ({
    servers: {
      everything: referenceServers('/nowhere')['everything'] ?? assert.fail(),
      'everything-http': { url: everythingHttp.url },
      'everything-sse': { type: 'sse', url: everythingSse.url },
      old: { url: legacyServer.url },
      older: { type: 'sse', url: sseServer.url },
      new: { url: modernServer.url },
      'new-command': newCommand,
    },
  }),
  (layout) => {
    differ(everything, layout);
    // What comes over HTTP+SSE is compared with the same server over Streamable HTTP.
    for (const name of ['everything-http', 'everything-sse'])
      differ(
        everythingOver(name, () => everythingHttp.url),
        layout,
      );
    differ(
      fixture('old', 'legacy', () => legacyServer),
      layout,
    );
    differ(
      fixture('older', 'legacy', () => legacyServer),
      layout,
    );
    differ(
      fixture('new', 'modern', () => modernServer),
      layout,
    );
    differ(modernByCommand, layout);
  },
);
