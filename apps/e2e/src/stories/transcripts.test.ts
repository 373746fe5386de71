/** What a client hears around its requests is the same through the gateway as directly: questions, progress, log, updates, errors. Of servers that speak only when asked: what others say by themselves comes around any request. */

import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import { startConformanceServer, stdioConformance, type ConformanceServer } from '@cruvero/testkit';
import fc from 'fast-check';
import { argumentsOf } from '../harness/arguments.fixture.ts';
import type { Entry } from '../harness/config-file.fixture.ts';
import { commandOf } from '../harness/direct.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import {
  connectTranscript,
  type Step,
  type Transcript,
  type TranscriptClient,
  type Way,
} from '../harness/transcript-client.fixture.ts';
import { assertSameProgress, comparable } from '../harness/transcript-compare.fixture.ts';
import { until } from '../harness/until.fixture.ts';

/** Another seed, other arguments: `TRANSCRIPT_SEED=7 node --test …`. */
const seed = Number(process.env['TRANSCRIPT_SEED'] ?? 20_260_728);
const argumentsEach = 2;

interface Subject {
  readonly name: string;
  readonly era: 'legacy' | 'modern';
  /** As `cruvero.json` has it. */
  readonly entry: () => Entry;
  readonly directly: () => Way;
  readonly offer: Offer;
  /** What one session or process of it changes is not seen in another one. */
  readonly changesWithinSession: boolean;
}

/** What one implementation is asked, whatever the transport. */
interface Offer {
  /** Tools that cannot be compared, each with the reason. */
  readonly left: Readonly<Record<string, string>>;
  readonly given: Readonly<Record<string, readonly JsonObject[]>>;
  /** Besides tools. */
  readonly steps: readonly Step[];
  readonly watched: { readonly uri: string; readonly change: string };
}

const elsewhere = 'it changes what others are told; it has a story of its own here';

const conformance: Offer = {
  left: {
    test_trigger_tool_change: elsewhere,
    test_trigger_prompt_change: elsewhere,
    test_trigger_resource_change: elsewhere,
    test_changing_tool: 'others change it',
    test_header_parameters: 'it reads the headers of the request, which each hop writes anew',
  },
  given: { slow_compute: [{ seconds: 0.05, label: 'something' }] },
  steps: [
    { method: 'resources/read', params: { uri: 'test://static-binary' } },
    { method: 'resources/read', params: { uri: 'test://template/a%20b/data' } },
    { method: 'resources/read', params: { uri: 'test://nowhere' } },
    { method: 'prompts/get', params: { name: 'test_simple_prompt' } },
    { method: 'prompts/get', params: { name: 'test_prompt_with_image' } },
    {
      method: 'prompts/get',
      params: { name: 'test_prompt_with_arguments', arguments: { arg1: 'é', arg2: '"' } },
    },
    {
      method: 'prompts/get',
      params: {
        name: 'test_prompt_with_embedded_resource',
        arguments: { resourceUri: 'test://static-text' },
      },
    },
    { method: 'prompts/get', params: { name: 'test_input_required_result_prompt' } },
    {
      method: 'completion/complete',
      params: {
        ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
        argument: { name: 'arg1', value: 'p' },
      },
    },
    { method: 'tools/call', params: { name: 'no_such_tool', arguments: {} } },
    { method: 'vendor.test/unknown', params: { a: 1 } },
  ],
  watched: { uri: 'test://watched-resource', change: 'test_trigger_resource_change' },
};

/** Of the legacy era only. */
const legacySteps: readonly Step[] = [
  { method: 'ping', params: {} },
  { method: 'logging/setLevel', params: { level: 'debug' } },
];

const servers: Record<string, ConformanceServer> = {};

before(async () => {
  servers['legacy'] = await startConformanceServer({ eras: 'legacy' });
  servers['sse'] = await startConformanceServer({ eras: 'legacy', transport: 'sse' });
  servers['modern'] = await startConformanceServer({ eras: 'modern' });
});
after(async () => {
  for (const server of Object.values(servers)) await server.close();
});

const over = (
  name: string,
  era: Subject['era'],
  offer: Offer,
  way: 'http' | 'sse',
  url: () => string,
): Subject => ({
  name,
  era,
  entry: () => (way === 'sse' ? { type: 'sse', url: url() } : { url: url() }),
  directly: () => ({ over: way, url: url() }),
  offer,
  changesWithinSession: false,
});
const command = (name: string, era: Subject['era'], offer: Offer, entry: Entry): Subject => ({
  name,
  era,
  entry: () => entry,
  directly: () => ({ over: 'stdio', command: commandOf(entry) }),
  offer,
  changesWithinSession: era === 'legacy',
});
const ownUrl = (name: string) => (): string => servers[name]?.url ?? assert.fail(name);
const entryOf = (eras: 'legacy' | 'modern'): Entry => ({ ...stdioConformance(eras) });

const subjects: readonly Subject[] = [
  over('legacy-http', 'legacy', conformance, 'http', ownUrl('legacy')),
  over('legacy-sse', 'legacy', conformance, 'sse', ownUrl('sse')),
  command('legacy-stdio', 'legacy', conformance, entryOf('legacy')),
  over('modern-http', 'modern', conformance, 'http', ownUrl('modern')),
  command('modern-stdio', 'modern', conformance, entryOf('modern')),
];

/** Every tool with arguments that its schema allows. */
function stepsOf(tools: readonly Json[], { left, given, steps }: Offer): readonly Step[] {
  const calls = tools.filter(isJsonObject).flatMap((tool): Step[] => {
    const name = String(tool['name']);
    if (name in left) return [];
    const arbitrary = argumentsOf(tool['inputSchema']);
    const all =
      given[name] ??
      (arbitrary
        ? fc.sample(arbitrary, { seed, numRuns: argumentsEach })
        : assert.fail(`nobody can call ${name}`));
    return all.map((args) => ({
      method: 'tools/call',
      params: { name, arguments: args },
      logLevel: 'debug',
    }));
  });
  return [...calls, ...steps];
}

const toolsOf = async (client: TranscriptClient): Promise<readonly Json[]> => {
  const { outcome } = await client.run({ method: 'tools/list', params: {} });
  return 'result' in outcome && isJsonObject(outcome.result)
    ? (outcome.result['tools'] as readonly Json[])
    : [];
};

type Door = readonly [kind: 'legacy' | 'modern', over: 'http' | 'sse'];
const doors: readonly Door[] = [
  ['legacy', 'http'],
  ['legacy', 'sse'],
  ['modern', 'http'],
];

function compareAll(subject: Subject, layout: () => Layout): void {
  const through = ([kind, door]: Door): Promise<TranscriptClient> =>
    connectTranscript(kind, {
      over: door,
      url: `${layout().url}/servers/${subject.name}/${door === 'sse' ? 'sse' : 'mcp'}`,
      key: layout().agentKey,
    });

  describe(`the server ${subject.name}`, () => {
    let straight: TranscriptClient;
    const expected: (readonly [Step, Transcript])[] = [];
    before(async () => {
      straight = await connectTranscript(subject.era, subject.directly());
      const steps = stepsOf(await toolsOf(straight), subject.offer);
      for (const step of steps) expected.push([step, await straight.run(step)]);
    });
    after(() => straight?.[Symbol.asyncDispose]());

    for (const door of doors) {
      const [kind, way] = door;
      it(`is heard the same by the ${kind} client over ${way}`, async (t: TestContext) => {
        await using client = await through(door);
        const differ: unknown[] = [];
        for (const [step, direct] of expected) {
          const got = await client.run({ ...step, awaits: direct.told.length });
          const sameEra = kind === subject.era;
          try {
            assert.deepEqual(comparable(got, sameEra), comparable(direct, sameEra));
            assertSameProgress(got, direct);
          } catch (error) {
            differ.push(`${JSON.stringify(step)}: ${(error as Error).message}`);
          }
        }
        if (differ.length > 0) assert.fail(`${differ.length} differ:\n${differ.join('\n')}`);
        t.diagnostic(`${expected.length} requests, seed ${seed}`);
      });

      // A modern client's calls and what it listens to are no session upstream, and such a server knows changes of a session only.
      if (kind === 'modern' && subject.changesWithinSession) continue;
      it(`tells the ${kind} client over ${way} of a changed resource as long as it wants to know`, async () => {
        await using client = await through(door);
        const { uri, change } = subject.offer.watched;
        const step: Step = { method: 'tools/call', params: { name: change, arguments: {} } };
        const stop = await client.watch(uri);
        const { told } = await client.run({ ...step, awaits: 1 });
        const params = { uri };
        assert.deepEqual(
          told.filter(({ method }) => method !== 'notifications/message'),
          [{ method: 'notifications/resources/updated', params }],
        );
        await stop();
        // One that was on its way may still come.
        await until('it is told no more', async () => {
          const later = (await client.run(step)).told;
          return later.every(({ method }) => method === 'notifications/message');
        });
      });
    }

    if (subject.era === 'legacy') {
      it('answers the methods of its era the same', async () => {
        await using client = await through(['legacy', 'http']);
        for (const step of legacySteps)
          assert.deepEqual(
            comparable(await client.run(step), true),
            comparable(await straight.run(step), true),
          );
      });
    }
  });
}

overLayouts(
  'transcripts',
  () => ({ servers: Object.fromEntries(subjects.map(({ name, entry }) => [name, entry()])) }),
  (layout) => {
    for (const subject of subjects) compareAll(subject, layout);
  },
  ['embedded'],
);
