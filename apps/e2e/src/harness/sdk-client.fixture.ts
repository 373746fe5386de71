/** What stories ask of an official SDK's client, whichever it is. */

import type { JsonObject } from '@cruvero/core';

export type Change = 'tools' | 'resources' | 'prompts';

/** What both SDKs are asked for. */
export interface SdkClient {
  /** The result as it came, unknown members too. Rejects with the SDK's error. */
  ask(method: string, params: JsonObject): Promise<JsonObject>;
  /** As applications call: through the SDK's own method, which checks structured results against the tool's schema. */
  call(name: string, args: JsonObject): Promise<JsonObject>;
  /** Resolves when the server will tell of changes. */
  listen(onChange: (change: Change) => void): Promise<void>;
  /** What the server said of itself. */
  face(): {
    readonly name: string | undefined;
    readonly capabilities: JsonObject;
    readonly instructions: string | undefined;
  };
  close(): Promise<void>;
}

/** A server as a child process of the client. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Record<string, string>;
}
