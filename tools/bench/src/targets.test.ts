/** Tests of the measurement's own processes: the load generator finds right answers right through each of them. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loads } from './loads.ts';
import { give } from './measure.ts';
import type { Load, Target } from './orders.ts';
import { cpuMs, NotStarted, start, type Running } from './processes.ts';

const file = (name: string): string => `tools/bench/src/${name}.ts`;
const plain = { paths: { modern: '/mcp', legacy: '/legacy/mcp' }, headers: {}, prefixes: [''] } as const;

describe('the load generator', () => {
  const stack = new AsyncDisposableStack();
  let loader: Running;
  let upstream: Running;
  const targets: Target[] = [];
  before(async () => {
    loader = stack.use(await start(file('loader')));
    upstream = stack.use(await start(file('upstream')));
    targets.push({ name: 'direct', url: upstream.url, ...plain });
    const bare = stack.use(await start(file('bare-proxy'), { args: [upstream.url] }));
    targets.push({ name: 'bare proxy', url: bare.url, ...plain });
    try {
      const nginx = stack.use(await start(file('nginx'), { args: [upstream.url] }));
      targets.push({ name: 'nginx', url: nginx.url, ...plain });
    } catch (error) {
      // A machine may be without it.
      if (!(error instanceof NotStarted)) throw error;
    }
  });
  after(() => stack.disposeAsync());

  for (const load of Object.values(loads)) {
    it(`finds no error in: ${load.name}`, async () => {
      for (const target of targets) {
        const { errors, problems, tookMs } = await give(loader, { kind: 'run', target, load, ms: 60 });
        assert.deepEqual({ errors, problems }, { errors: 0, problems: [] }, target.name);
        assert.ok(tookMs.length > 0, target.name);
      }
    });
  }

  it('counts what is wrong: an answer to something else, and nobody there', async () => {
    const [target] = targets;
    assert.ok(target);
    const load: Load = { ...loads.single, method: 'tools/list', listed: '"tools":[]' };
    const wrong = await give(loader, { kind: 'run', target, load, ms: 20 });
    assert.ok(wrong.errors > 0 && wrong.tookMs.length === 0);
    assert.match(wrong.problems[0] ?? '', /^the payload is missing/);
    const gone = { ...target, url: 'http://127.0.0.1:1' };
    const unreachable = await give(loader, { kind: 'run', target: gone, load: loads.single, ms: 20 });
    assert.ok(unreachable.errors > 0);
    assert.match(unreachable.problems[0] ?? '', /ECONNREFUSED/);
  });

  it('keeps to the pace that it is given', async () => {
    const [target] = targets;
    assert.ok(target);
    const load: Load = { ...loads.single, connections: 10, everyMs: 50 };
    const { tookMs, errors } = await give(loader, { kind: 'run', target, load, ms: 200 });
    // Ten callers, each due four times in 200 ms.
    assert.deepEqual([tookMs.length, errors], [40, 0]);
  });

  it('holds calls that nobody reads, and lets them go', async () => {
    const [target] = targets;
    assert.ok(target);
    const untilOpen = async (wanted: number): Promise<void> => {
      const untilMs = performance.now() + 10_000;
      for (;;) {
        const { open } = (await (await fetch(`${upstream.url}/floods`)).json()) as { readonly open: number };
        if (open === wanted) return;
        assert.ok(performance.now() < untilMs, `${open} calls are under way instead of ${wanted}`);
      }
    };
    await give(loader, { kind: 'hold', target, server: 0, pieces: [200, 200] });
    await untilOpen(2);
    await give(loader, { kind: 'release' });
    await untilOpen(0);
  });

  it('costs processor time that is seen where the system tells it', () => {
    const own = cpuMs(process.pid);
    assert.ok(own === undefined || own > 0);
    assert.equal(cpuMs(-1), undefined);
  });
});
