/** A virtual server: a named selection of other servers' tools, prompts and resources, under names of its own. */

import type { ServerName, TenantId } from './ids.ts';

/** `canonical` is `mcp.<server>.<tool>`, `safe` is `[A-Za-z0-9_-]{1,64}`, `bare` the name at the server itself. */
export type NameStyle = 'canonical' | 'safe' | 'bare';
export const nameStyles: readonly NameStyle[] = ['canonical', 'safe', 'bare'];

/** One server of the selection; it need not exist (yet). */
export interface VirtualMember {
  readonly server: ServerName;
  /** Names at the server, `*` standing for any run of characters. Absent: all; empty: none. */
  readonly tools?: readonly string[];
  /** Likewise. */
  readonly prompts?: readonly string[];
  /** Whether its resources and templates are there too; absent: yes. */
  readonly resources?: boolean;
  /** Name at the server → name here, of a tool or a prompt. Renames what is selected, selects nothing. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** What somebody writes down; the tenant is the writer's. */
export interface VirtualDefinition {
  readonly name: ServerName;
  readonly description?: string;
  /** For the model that uses it. */
  readonly instructions?: string;
  /** How things without an alias are called. */
  readonly names: NameStyle;
  /** Where two members expose one name, the earlier one has it. */
  readonly members: readonly VirtualMember[];
}

export interface VirtualServer extends VirtualDefinition {
  readonly tenantId: TenantId;
}
