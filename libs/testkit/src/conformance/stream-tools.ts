/** Conformance tools that say something before their result, or to others: log, progress, a closed stream, changed lists. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, Changes } from './changes.ts';
import { inputs, said, type Tool } from './offer.ts';

/** Long enough that messages come apart, short enough that nobody waits. */
const pauseMs = 50;

const logging: Tool = {
  definition: {
    name: 'test_tool_with_logging',
    description: 'Logs three messages while it runs.',
    inputSchema: inputs(),
  },
  run: async ({ log, signal }) => {
    await log('info', 'Tool execution started');
    await sleep(pauseMs, undefined, { signal });
    await log('info', 'Tool processing data');
    await sleep(pauseMs, undefined, { signal });
    await log('info', 'Tool execution completed');
    return said('Tool with logging executed successfully');
  },
};

const loggingOnce: Tool = {
  definition: { name: 'test_logging_tool', description: 'Logs one message.', inputSchema: inputs() },
  run: async ({ log }) => {
    await log('info', 'This goes out only where a level was asked for');
    return said('Logged');
  },
};

const progressing: Tool = {
  definition: {
    name: 'test_tool_with_progress',
    description: 'Reports progress three times.',
    inputSchema: inputs(),
  },
  run: async ({ progress, signal }) => {
    for (const done of [0, 50, 100]) {
      await progress(done, 100);
      if (done < 100) await sleep(pauseMs, undefined, { signal });
    }
    return said('Tool with progress executed successfully');
  },
};

const reconnecting: Tool = {
  definition: {
    name: 'test_reconnection',
    description: 'Ends its event stream and answers the caller that comes back for the rest.',
    inputSchema: inputs(),
  },
  run: async ({ closeStream, signal }) => {
    await sleep(pauseMs, undefined, { signal });
    closeStream();
    await sleep(2 * pauseMs, undefined, { signal });
    return said('Reconnection test completed successfully');
  },
};

const triggering = (world: Changes, name: string, what: string, change: Change): Tool => ({
  definition: { name, description: `Changes ${what}; whoever listens is told.`, inputSchema: inputs() },
  run: () => {
    world.change(change);
    return said(`Changed ${what}`);
  },
});

/** The list changes by what it says, not by what it holds: others read it at the same time. */
const changing = (world: Changes): Tool => ({
  definition: {
    name: 'test_changing_tool',
    description: `Revision ${world.revisions.tools} of a tool that others may change.`,
    inputSchema: inputs(),
  },
  run: () => said(`Revision ${world.revisions.tools}`),
});

export const streamTools = (world: Changes): readonly Tool[] => [
  logging,
  loggingOnce,
  progressing,
  reconnecting,
  triggering(world, 'test_trigger_tool_change', 'the list of tools', { kind: 'tools' }),
  triggering(world, 'test_trigger_prompt_change', 'the list of prompts', { kind: 'prompts' }),
  triggering(world, 'test_trigger_resource_change', 'the watched resource', {
    kind: 'resource',
    uri: 'test://watched-resource',
  }),
  changing(world),
];
