/** Code runs behind the gateway: plots, files, endless loops, too many at once, and nothing left, in both layouts. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { modernLatest, type JsonObject } from '@cruvero/core';
import { clientKinds, connect } from '../harness/clients.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts, startLayout } from '../harness/over-layouts.fixture.ts';
import { descendantsOf } from '../harness/processes.fixture.ts';
import { rawCall, rawRequest, toolNames } from '../harness/raw.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const python = 'mcp.code-exec.python_exec';
const bash = 'mcp.code-exec.bash_exec';
const runsMax = 8;
const waitingMax = 40;

const plot = `
import matplotlib.pyplot as plt
plt.plot([1, 4, 9, 16])
plt.savefig('plot.png', dpi=40)
print('drawn')
`;

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly data?: string;
  readonly uri?: string;
}
const content = (result: JsonObject | undefined): readonly Block[] =>
  (result?.['content'] ?? []) as unknown as readonly Block[];
const structure = (result: JsonObject | undefined): JsonObject =>
  (result?.['structuredContent'] ?? {}) as JsonObject;

const options = {
  codeExec: true,
  awaits: ['code-exec'],
  env: {
    MCP_CODE_EXEC_CONCURRENCY: String(runsMax),
    MCP_CODE_EXEC_QUEUE: String(waitingMax),
    MCP_CODE_EXEC_TIMEOUT: '20s',
    CRUVERO_CODE_EXEC_MCP_REQUIRED: 'true',
  },
} as const;

overLayouts('code execution', options, (layout, kind) => {
  for (const client of clientKinds) {
    it(`draws a plot for the ${client} client`, { timeout: 60_000 }, async () => {
      await using caller = await connect(client, layout());
      const result = await caller.call(python, { code: plot });
      assert.equal(structure(result)['stdout'], 'drawn\n', JSON.stringify(result).slice(0, 2_000));
      const image = content(result).find(({ type }) => type === 'image');
      assert.equal(
        Buffer.from(image?.data ?? '', 'base64')
          .subarray(1, 4)
          .toString(),
        'PNG',
      );
    });
  }

  it('gives files by links that can be read through the gateway', async () => {
    const { result } = await rawCall(layout(), bash, { command: 'seq 3 > numbers.csv' });
    const link = content(result).find(({ type }) => type === 'resource_link');
    const read = await rawRequest(layout(), 'resources/read', {
      uri: link?.uri ?? assert.fail(JSON.stringify(result)),
    });
    assert.equal(
      (read.result?.['contents'] as unknown as readonly Block[])[0]?.text,
      '1\n2\n3\n',
      JSON.stringify(read),
    );
  });

  it('ends a loop that never ends, with what it had said', async () => {
    const code = "print('so far', flush=True)\nwhile True: pass";
    const { result } = await rawCall(layout(), python, { code, timeout_ms: 500 });
    const { ended, stdout, signal } = structure(result);
    assert.deepEqual([ended, stdout, signal, result?.['isError']], ['timeout', 'so far\n', 'SIGKILL', true]);
  });

  it('tells what is said while it runs', async () => {
    const { url, agentKey } = layout();
    const meta = {
      'io.modelcontextprotocol/protocolVersion': modernLatest,
      'io.modelcontextprotocol/clientCapabilities': {},
      progressToken: 'mine',
    };
    const params = { name: bash, arguments: { command: 'echo one; sleep 0.5; echo two' }, _meta: meta };
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${agentKey}`,
        'mcp-protocol-version': modernLatest,
        'mcp-method': 'tools/call',
        'mcp-name': bash,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    });
    const told = (await response.text())
      .split('\n')
      .filter((line) => line.includes('notifications/progress'));
    assert.match(told[0] ?? '', /"progressToken":"mine".*"message":"one\\n"/);
  });

  it('finds the files of a workspace again', async () => {
    const args = { command: 'cat n 2>/dev/null; echo x >> n', workspace: 'w' };
    const said = async () => structure((await rawCall(layout(), bash, args)).result)['stdout'];
    assert.deepEqual([await said(), await said(), await said()], ['', 'x\n', 'x\nx\n']);
  });

  it(
    'answers 200 calls at once or refuses them in time, and leaves nothing',
    { timeout: 60_000 },
    async () => {
      const pid = kind === 'embedded' ? layout().pids()[0] : layout().stack?.services['code-exec'].pid;
      assert.ok(pid !== undefined);
      const before = traces(pid);
      const command = 'echo $1 > out.txt; sleep 0.05; echo "$1"';
      const startMs = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, n) => rawCall(layout(), bash, { command, args: [`n${n}`] })),
      );
      const tookMs = performance.now() - startMs;
      let done = 0;
      for (const [n, { result, error }] of answers.entries()) {
        const text = content(result)[0]?.text ?? '';
        if (text.startsWith('Busy: ')) {
          assert.match(text, /Nothing was executed; try again in [0-9.]+ s\.$/);
          continue;
        }
        assert.equal(structure(result)['stdout'], `n${n}\n`, JSON.stringify({ result, error }));
        done += 1;
      }
      assert.ok(done >= runsMax + waitingMax && done <= 200, `${done} were run`);
      assert.ok(tookMs < 30_000, `took ${tookMs} ms`);
      await until('nothing is left', () => JSON.stringify(traces(pid)) === JSON.stringify(before), 5_000);
    },
  );

  if (kind === 'apart') {
    it(
      'is refused with the reason while its server is away, and comes back',
      { timeout: 60_000 },
      async () => {
        const service = layout().stack?.services['code-exec'] ?? assert.fail();
        await service.kill();
        const { error } = await rawCall(layout(), python, { code: '1' });
        assert.match(error?.message ?? '', /^Server "code-exec" cannot be reached: /);
        await service.restart();
        await until(
          'it is called again',
          async () =>
            structure((await rawCall(layout(), bash, { command: 'echo back' })).result)['stdout'] ===
            'back\n',
          20_000,
        );
      },
    );
  }
});

/** What runs could leave: processes, mounts, groups, open folders, files. */
function traces(pid: number) {
  const runs = descendantsOf(pid).filter(({ words }) =>
    words.some((word) => word.includes('cruvero-code-exec-')),
  );
  const fds = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  return {
    processes: runs.map(({ words }) => words),
    mounts: readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').length,
    groups: foldersBelow('/sys/fs/cgroup').filter((name) => name.startsWith(`cruvero-code-exec-${pid}.`)),
    held: fds.filter((target) => target === '/work' || target.includes('/pipes/')),
    folders: readdirSync(tmpdir()).filter((name) => name.startsWith(`cruvero-code-exec-${pid}.`)),
  };
}

function foldersBelow(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

describe('code execution where there is no sandbox', () => {
  let layout: Layout;
  before(async () => {
    const env = { MCP_CODE_EXEC_BWRAP: '/nowhere/bwrap', CRUVERO_CODE_EXEC_MCP_REQUIRED: 'true' };
    layout = await startLayout('embedded', { codeExec: true, env });
  });
  after(() => layout.stop());

  it('is said at the start, with what is missing and how to get it', () => {
    assert.match(
      layout.stdout(),
      /server code-exec is off: The program bwrap is missing\. Install bubblewrap/,
    );
  });

  it('runs nothing, and refuses its tools for that reason', async () => {
    assert.ok((await toolNames(layout)).every((name) => !name.includes('code-exec')));
    for (const name of [python, bash, 'python_exec']) {
      const { error } = await rawCall(layout, name, { code: '1' });
      assert.equal(error?.code, -31053, name);
      assert.match(error.message, /has not announced itself or has gone.*nothing was executed/);
    }
  });
});
