/** The page at `/`: what runs here, and how to connect to it. */

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export interface HomeFacts {
  readonly version: string;
  readonly url: string;
  readonly needsKey: boolean;
  readonly servers: number;
}

/** No names of servers: whoever sees this page has shown no key. */
export function homePage(facts: HomeFacts): string {
  const mcpUrl = escaped(`${facts.url}/mcp`);
  const header = facts.needsKey ? ',\n      "headers": { "Authorization": "Bearer YOUR-KEY" }' : '';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cruvero MCP</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1c2430; }
  pre { background: #f3f5f8; padding: 1rem; overflow-x: auto; border-radius: 6px; }
  code { font-size: 0.92em; }
  @media (prefers-color-scheme: dark) { body { background: #14181f; color: #dde3ec; } pre { background: #1e2530; } a { color: #8ab4ff; } }
</style>
<h1>Cruvero MCP</h1>
<p>One governed entrance to a fleet of MCP servers. Version ${escaped(facts.version)}; servers connected: ${facts.servers}.</p>
<h2>Connect a client</h2>
<pre><code>{
  "mcpServers": {
    "cruvero": {
      "type": "http",
      "url": "${mcpUrl}"${escaped(header)}
    }
  }
}</code></pre>
<p>Claude Code: <code>claude mcp add --transport http cruvero ${mcpUrl}${facts.needsKey ? ' --header &#34;Authorization: Bearer YOUR-KEY&#34;' : ''}</code></p>
${facts.needsKey ? '<p>The key was shown once, at the first start, in the terminal.</p>' : ''}
<h2>Paths</h2>
<ul>
  <li><code>/mcp</code> all servers behind one endpoint; tools are named <code>mcp.&lt;server&gt;.&lt;tool&gt;</code></li>
  <li><code>/servers/&lt;name&gt;/mcp</code> one server, under its own names</li>
  <li><code>/virtual/&lt;name&gt;/mcp</code> a selection of servers and tools, under names of its own</li>
  <li><code>/sse</code>, <code>/servers/&lt;name&gt;/sse</code>, <code>/virtual/&lt;name&gt;/sse</code> the same for clients of HTTP+SSE (2024-11-05)</li>
  <li><a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>, <a href="/metrics">/metrics</a></li>
</ul>
</html>
`;
}
