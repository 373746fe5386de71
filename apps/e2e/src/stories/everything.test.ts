/** All that the reference server-everything does besides answering: it asks, logs, tells of updates and runs tasks, and that is heard the same through the gateway as directly, over each transport. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import { referenceServers } from '../harness/config-file.fixture.ts';
import { commandOf } from '../harness/direct.fixture.ts';
import { startEverything, type EverythingServer } from '../harness/everything.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import {
  connectTranscript,
  type Step,
  type Transcript,
  type TranscriptClient,
  type Way,
} from '../harness/transcript-client.fixture.ts';
import { comparable } from '../harness/transcript-compare.fixture.ts';
import { withoutEra } from '../harness/view.fixture.ts';

const call = (name: string, args: JsonObject = {}): Step => ({
  method: 'tools/call',
  params: { name, arguments: args },
});
const page = { url: 'https://example.com/page', message: 'Open it', elicitationId: 'e-1' };
const watched = { uri: 'demo://resource/dynamic/text/1' };

/** A session's first call: 350 ms later the server asks for roots, and logs how many there are. */
const first: Step = { ...call('echo', { message: 'hello' }), awaits: 1 };

/** Whatever the caller's era. */
const asking: readonly Step[] = [
  call('trigger-sampling-request', { prompt: 'say "é"', maxTokens: 7 }),
  call('trigger-elicitation-request'),
  call('trigger-url-elicitation', page),
];

/** What needs a session of the caller's own. */
const ofSession: readonly Step[] = [
  call('get-roots-list'),
  // The error that sends the user to a page (-32042), and the same call once more.
  call('trigger-url-elicitation', { ...page, errorPath: true }),
  call('trigger-url-elicitation', { ...page, errorPath: true }),
  { method: 'resources/subscribe', params: watched, awaits: 1 },
  { ...call('toggle-subscriber-updates'), awaits: 1 },
  call('toggle-subscriber-updates'),
  { method: 'resources/unsubscribe', params: watched, awaits: 1 },
  { method: 'logging/setLevel', params: { level: 'emergency' } },
  { method: 'ping', params: {} },
  { method: 'tasks/list', params: {} },
];
/** Refused by the gateway in its own words: these ids were given to nobody. */
const unknownTasks = ['tasks/get', 'tasks/result', 'tasks/cancel'].map((method): Step => ({
  method,
  params: { taskId: 'nobody' },
}));

async function hear(client: TranscriptClient, steps: readonly Step[]): Promise<readonly Transcript[]> {
  const heard: Transcript[] = [];
  for (const step of steps) heard.push(await client.run(step));
  return heard;
}

const resultOf = ({ outcome }: Transcript): JsonObject =>
  'result' in outcome && isJsonObject(outcome.result) ? outcome.result : assert.fail(JSON.stringify(outcome));

/** What is heard around a task, from its creation to its result, and of one that is cancelled; without its id. */
async function runTasks(client: TranscriptClient): Promise<readonly unknown[]> {
  const begin = (topic: string): Step => ({
    method: 'tools/call',
    params: { name: 'simulate-research-query', arguments: { topic, ambiguous: true }, task: { ttl: 60_000 } },
  });
  const begun = await client.run(begin('python'));
  const { taskId } = resultOf(begun)['task'] as { readonly taskId: string };
  const ended = await client.run({ method: 'tasks/result', params: { taskId } });
  const other = await client.run(begin('nothing'));
  const { taskId: otherId } = resultOf(other)['task'] as { readonly taskId: string };
  const heard = [
    begun,
    ended,
    await client.run({ method: 'tasks/get', params: { taskId } }),
    await client.run({ method: 'tasks/cancel', params: { taskId: otherId } }),
    await client.run({ method: 'tasks/cancel', params: { taskId: otherId } }),
    await client.run({ method: 'tasks/get', params: { taskId: otherId } }),
    await client.run({ method: 'tasks/list', params: {} }),
  ];
  const text = JSON.stringify(heard.map((each) => comparable(each, true)));
  assert.ok(text.includes('elicitation/create'), 'the task asked in its middle');
  return JSON.parse(text.replaceAll(taskId, 'task 1').replaceAll(otherId, 'task 2')) as unknown[];
}

const servers: Partial<Record<'http' | 'sse', EverythingServer>> = {};
const entry = referenceServers('/nowhere')['everything'] ?? assert.fail();
const ways = ['stdio', 'http', 'sse'] as const;
type Over = (typeof ways)[number];

before(async () => {
  [servers.http, servers.sse] = await Promise.all([startEverything('http'), startEverything('sse')]);
});
after(() => Promise.all(Object.values(servers).map((server) => server[Symbol.asyncDispose]())));

const directly = (over: Over): Way =>
  over === 'stdio'
    ? { over, command: commandOf(entry) }
    : { over, url: servers[over]?.url ?? assert.fail(over) };

const through = (
  layout: Layout,
  over: Over,
  kind: 'legacy' | 'modern',
  door: 'http' | 'sse' = 'http',
): Promise<TranscriptClient> =>
  connectTranscript(kind, {
    over: door,
    url: `${layout.url}/servers/${over}/${door === 'sse' ? 'sse' : 'mcp'}`,
    key: layout.agentKey,
  });

function assertSame(
  steps: readonly Step[],
  got: readonly Transcript[],
  direct: readonly Transcript[],
  sameEra: boolean,
): void {
  for (const [at, step] of steps.entries()) {
    const [mine, theirs] = [got[at] ?? assert.fail(), direct[at] ?? assert.fail()];
    assert.deepEqual(comparable(mine, sameEra), comparable(theirs, sameEra), JSON.stringify(step));
  }
}

function compare(over: Over, layout: () => Layout): void {
  describe(`server-everything over ${over}`, () => {
    const steps = [first, ...asking, ...ofSession];
    let expected: readonly Transcript[];
    before(async () => {
      await using straight = await connectTranscript('legacy', directly(over));
      expected = await hear(straight, steps);
    });

    for (const door of ['http', 'sse'] as const)
      it(`is heard the same by the legacy client over ${door}`, async () => {
        await using client = await through(layout(), over, 'legacy', door);
        assertSame(steps, await hear(client, steps), expected, true);
      });

    it('asks the modern client the same, and gives it the same answers', async () => {
      await using client = await through(layout(), over, 'modern');
      // Its first call: the server has no other one in which it would ask for the roots by itself.
      const roots = await client.run(call('get-roots-list'));
      assert.ok(roots.asked.some((asked) => asked.includes('roots/list')));
      const direct = expected[steps.findIndex(({ params }) => params['name'] === 'get-roots-list')];
      const { outcome } = direct ?? assert.fail('it is one of the steps');
      assert.deepEqual(withoutEra(roots.outcome), withoutEra(outcome));
      assertSame(asking, await hear(client, asking), expected.slice(1), false);
    });
  });
}

const codeOf = ({ outcome }: Transcript): number | undefined =>
  'error' in outcome ? outcome.error.code : undefined;

async function compareTasks(over: Over, layout: Layout): Promise<void> {
  await using straight = await connectTranscript('legacy', directly(over));
  await using client = await through(layout, over, 'legacy');
  const [direct, got] = await Promise.all([runTasks(straight), runTasks(client)]);
  assert.deepEqual(got, direct, over);
  const [theirs, mine] = [await hear(straight, unknownTasks), await hear(client, unknownTasks)];
  assert.deepEqual(mine.map(codeOf), theirs.map(codeOf), over);
}

overLayouts(
  'server-everything',
  () => ({
    servers: {
      stdio: entry,
      http: { url: servers.http?.url ?? assert.fail() },
      sse: { type: 'sse', url: servers.sse?.url ?? assert.fail() },
    },
  }),
  (layout) => {
    for (const over of ways) compare(over, layout);
    it('runs tasks the same over each transport', async () => {
      await Promise.all(ways.map((over) => compareTasks(over, layout())));
    });
  },
  ['embedded'],
);
