/** Starts a layout for stories, and runs the same stories over both. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { startApart } from './apart.fixture.ts';
import { configFile } from './config-file.fixture.ts';
import { startEmbedded } from './embedded.fixture.ts';
import { layoutKinds, type Layout, type LayoutKind, type LayoutOptions } from './layout.fixture.ts';
import { listedServers } from './raw.fixture.ts';
import { until } from './until.fixture.ts';

export async function startLayout(kind: LayoutKind, options: LayoutOptions = {}): Promise<Layout> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'cruvero-e2e-')));
  const clean = async (): Promise<void> => {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  const config = configFile(folder);
  const servers = typeof options.servers === 'function' ? options.servers(folder) : (options.servers ?? {});
  if (options.ownConfig !== true) await config.servers(servers);
  const env = {
    ...options.env,
    ...(options.ownConfig === true ? ownConfigEnv(folder) : { CRUVERO_CONFIG: config.path }),
  };
  const { keys, codeExec = false } = options;
  const plan = { folder, isKept: options.folder !== undefined, config, env, keys, codeExec };
  try {
    const layout = await (kind === 'embedded' ? startEmbedded(plan) : startApart(plan));
    const stop = async (): Promise<void> => {
      await layout.stop();
      await clean();
    };
    await awaitServers(layout, options.awaits ?? Object.keys(servers), stop);
    return { ...layout, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await clean();
    throw error;
  }
}

/** The repository's cruvero.json keeps the memory below the folder in which the program was started. */
const ownConfigEnv = (folder: string): Readonly<Record<string, string>> => ({ PWD: folder });

async function awaitServers(
  layout: Layout,
  names: readonly string[],
  stop: () => Promise<void>,
): Promise<void> {
  try {
    await until(
      `${names.join(', ')} are listed`,
      async () => {
        const listed = await listedServers(layout);
        return names.every((name) => listed.has(name));
      },
      60_000,
    );
  } catch (error) {
    const logs = await layout.logs();
    await stop();
    throw new Error(`servers are missing; the logs end with:\n${logs.slice(-4_000)}`, { cause: error });
  }
}

/**
 * Starts all of them at once when the first is asked for: most of a start is waiting for one core. Whatever was started is
 * stopped at the end of the file at the latest.
 */
export function startedTogether<Key>(
  keys: readonly Key[],
  start: (key: Key) => Promise<Layout>,
): (key: Key) => Promise<Layout> {
  const starts = new Map<Key, Promise<Layout>>();
  after(async () => {
    for (const started of starts.values()) {
      await started.then(
        (layout) => layout.stop(),
        () => undefined,
      );
    }
  });
  return (key) => {
    for (const each of keys) {
      if (starts.has(each)) continue;
      const started = start(each);
      // Whoever asks for it hears of the failure.
      started.catch(() => undefined);
      starts.set(each, started);
    }
    return starts.get(key) ?? start(key);
  };
}

/** The same stories over both layouts, each started once. `it` may use what `layout()` gives. */
export function overLayouts(
  title: string,
  options: LayoutOptions | ((kind: LayoutKind) => LayoutOptions | Promise<LayoutOptions>),
  stories: (layout: () => Layout, kind: LayoutKind) => void,
  kinds = layoutKinds,
): void {
  const started = startedTogether(kinds, async (kind) =>
    startLayout(kind, typeof options === 'function' ? await options(kind) : options),
  );
  for (const kind of kinds) {
    describe(`${title}, ${kind}`, () => {
      let layout: Layout | undefined;
      before(async () => {
        layout = await started(kind);
      });
      after(() => layout?.stop());
      stories(() => layout ?? assert.fail('the layout did not start'), kind);
    });
  }
}
