/** What a person reads at the first start: what runs, the keys (once), and a client configuration to paste. */

import type { FirstKeys } from '@cruvero/service-registry';
import type { InstanceLine } from '@cruvero/service-stdio-bridge';

export interface GreetingFacts {
  readonly listing: readonly InstanceLine[];
  /** False where not every server was listed in time. */
  readonly complete: boolean;
  readonly firstKeys: FirstKeys | undefined;
  readonly needsKey: boolean;
  readonly codeExecLine: string | undefined;
}

/** Lines for standard output; the last one is `ready <url>`, which scripts wait for. */
export function greetingLines(url: string, facts: GreetingFacts): readonly string[] {
  const lines: string[] = [];
  for (const line of facts.listing) {
    if (line.state !== 'running')
      lines.push(`server ${line.name} is ${line.state}: ${line.reason ?? 'no reason given'}`);
  }
  if (facts.codeExecLine !== undefined) lines.push(facts.codeExecLine);
  if (!facts.complete)
    lines.push('Not every server was listed in time; the others are served, the rest joins when it answers.');
  if (facts.firstKeys) lines.push(...keyLines(url, facts.firstKeys));
  if (!facts.needsKey)
    lines.push(
      'Warning: no key is asked for (CRUVERO_MCP_GATEWAY_AUTH=none); everybody who reaches this address may call.',
    );
  return [...lines, `ready ${url}`];
}

function keyLines(url: string, { agentKey, adminKey }: FirstKeys): readonly string[] {
  const lines = ['', 'Keys were made; they are shown only now.'];
  if (agentKey !== undefined) lines.push(`agent-key ${agentKey}`);
  if (adminKey !== undefined) lines.push(`admin-key ${adminKey}`);
  return agentKey === undefined ? lines : [...lines, ...clientLines(url, agentKey)];
}

function clientLines(url: string, key: string): readonly string[] {
  const headers = { Authorization: `Bearer ${key}` };
  const config = { mcpServers: { cruvero: { type: 'http', url: `${url}/mcp`, headers } } };
  return [
    '',
    'For a client that reads mcpServers (Cursor, VS Code, Claude Desktop and others):',
    JSON.stringify(config, undefined, 2),
    '',
    'For Claude Code:',
    `claude mcp add --transport http cruvero ${url}/mcp --header "Authorization: Bearer ${key}"`,
    '',
  ];
}

export function greet(url: string, facts: GreetingFacts): void {
  process.stdout.write(`${greetingLines(url, facts).join('\n')}\n`);
}
