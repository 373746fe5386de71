/** Starts a child of an entry: its lines are read as messages, and what it complains of is written to the log. */

import type { Child, ChildExit, Children, Clock, Log } from '@cruvero/ports';
import type { BridgeBounds } from './bounds.ts';
import { Conversation, type ConversationEvents } from './conversation.ts';
import type { CommandServer } from './entry.ts';
import { ChildLines } from './log-lines.ts';

export interface SpawnParts {
  readonly children: Children;
  readonly clock: Clock;
  readonly log: Log;
  readonly bounds: BridgeBounds;
}

export interface Spawned {
  readonly child: Child;
  readonly conversation: Conversation;
}

/** `onExit` is called once, never before this returns. */
export function spawnChild(
  entry: CommandServer,
  { children, clock, log, bounds }: SpawnParts,
  events: Omit<ConversationEvents, 'onNoise'>,
  onExit: (exit: ChildExit, conversation: Conversation) => void,
): Spawned {
  const write = (line: string): void => log.info('child says', { line });
  const lines = new ChildLines(write, bounds.logLinesPerSecondMax, entry.env, entry.secretNames);
  const child = children.spawn(
    entry,
    {
      onLine: (line) => conversation.read(line),
      onStderr: (text) => lines.feed(text, clock.monotonicMs()),
      onExit: (exit) => {
        lines.flush(clock.monotonicMs());
        onExit(exit, conversation);
      },
    },
    bounds.lineBytesMax,
  );
  const onNoise = (line: string): void => lines.line(`(stdout, not JSON-RPC) ${line}`, clock.monotonicMs());
  const conversation: Conversation = new Conversation(child, { ...events, onNoise }, bounds.pendingMax);
  return { child, conversation };
}

/** Why it is gone, as a part of a sentence. */
export function describeExit(exit: ChildExit): string {
  if (exit.spawnError !== undefined) return exit.spawnError;
  if (exit.signal !== null) return `it was ended by ${exit.signal}`;
  return `it ended with exit code ${exit.code ?? 'unknown'}`;
}
