/** The official server scenarios through the embedded gateway: those of both revisions, each over a server of its era. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { awaitLists, startGateway, type Gateway } from './gateway.ts';
import { runSuite, sameEraSuites, startFixtures, type Fixtures, type ServerSuite } from './server-suites.ts';
import { details, judge } from './verdicts.ts';

const suites = sameEraSuites.filter(({ selection }) => selection.kind === 'required');

describe(
  'the official scenarios through the embedded gateway',
  { concurrency: true, timeout: 90_000 },
  () => {
    let fixtures: Fixtures | undefined;
    let gateway: Gateway | undefined;
    before(async () => {
      fixtures = await startFixtures(suites);
      gateway = await startGateway(fixtures.entries);
      await awaitLists(gateway.endpoint, fixtures.entries);
    });
    after(async () => {
      await gateway?.[Symbol.asyncDispose]();
      await fixtures?.[Symbol.asyncDispose]();
    });

    const passAll = async (version: string): Promise<void> => {
      const suite: ServerSuite =
        suites.find(({ selection }) => selection.version === version) ?? assert.fail('no such suite');
      const endpoint = gateway?.endpoint(suite.fixture) ?? assert.fail('the gateway did not start');
      const outcome = (await runSuite(suite, endpoint)) ?? assert.fail('nothing ran');
      const { requiredPassed, requiredTotal, unexpected } = judge(outcome);
      assert.deepEqual(unexpected, [], details(outcome).join('\n'));
      assert.equal(requiredPassed, requiredTotal);
    };

    it('those of 2025-11-25 pass over a server of that era', () => passAll('2025-11-25'));
    it('those of 2026-07-28 pass over a server of that era', () => passAll('2026-07-28'));
  },
);
