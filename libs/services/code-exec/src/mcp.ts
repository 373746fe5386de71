/** The MCP server: two tools and the files that they produced, for clients of both eras. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { isUtf8 } from 'node:buffer';
import {
  createMcpHandler,
  McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
  type McpHttpHandler,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Boundary, SandboxFile } from '@cruvero/ports';
import { execute, type Caller, type ExecuteParts } from './execute.ts';
import { keptScheme } from './kept-files.ts';
import type { ToolResult } from './result.ts';
import { bashInput, output, pythonInput, type PythonInput } from './shapes.ts';

export interface McpParts extends ExecuteParts {
  readonly version: string;
  readonly boundary: Boundary;
  readonly bodyBytesMax: number;
  readonly keptMs: number;
}

export const serverName = 'code-exec';
/** Field of `_meta` by which a gateway says for whom it calls; each value has files and workspaces of its own. */
export const callerKey = 'cruvero.dev/caller';
const callerCharsMax = 128;

/** Programs may destroy what is in their own folder, and reach nothing else but hosts that are listed. */
const annotationsOf = ({ allowedHosts }: Boundary) => ({
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: allowedHosts.length > 0,
});

export function mcpHandler(parts: McpParts): McpHttpHandler {
  const shapes = { python: pythonInput(parts.bounds), bash: bashInput(parts.bounds) };
  const handler = createMcpHandler(() => serverFor(parts, shapes), {
    maxRequestBodySize: parts.bodyBytesMax,
    onerror: (error) =>
      parts.telemetry.log.warn('a request was not answered as asked', { detail: error.message }),
  });
  return {
    ...handler,
    fetch: (request, options) => requests.run(request, () => handler.fetch(request, options)),
  };
}

/**
 * The request of a call as it came. The SDK hands on a clone, and the signal of a clone no longer hears of a caller that
 * hangs up once garbage was collected.
 */
const requests = new AsyncLocalStorage<Request>();

interface Shapes {
  readonly python: ReturnType<typeof pythonInput>;
  readonly bash: ReturnType<typeof bashInput>;
}

/** The SDK wants a new one for each request. */
function serverFor(parts: McpParts, shapes: Shapes): McpServer {
  const server = new McpServer(
    { name: serverName, version: parts.version },
    { instructions: instructionsOf(parts) },
  );
  const annotations = annotationsOf(parts.boundary);
  server.registerTool(
    'python_exec',
    {
      title: 'Run Python',
      description: `Runs Python 3 code in a fresh sandbox and gives back its output and the files it made. ${sayBounds(parts)}`,
      inputSchema: shapes.python,
      outputSchema: output,
      annotations,
    },
    ({ code, ...input }, context) =>
      whileWanted(context, (caller) =>
        execute({ program: 'python', code, ...requestOf(input) }, caller, parts),
      ),
  );
  server.registerTool(
    'bash_exec',
    {
      title: 'Run a shell command',
      description: `Runs Bash in a fresh sandbox and gives back its output and the files it made. ${sayBounds(parts)}`,
      inputSchema: shapes.bash,
      outputSchema: output,
      annotations,
    },
    ({ command, ...input }, context) =>
      whileWanted(context, (caller) =>
        execute({ program: 'bash', code: command, ...requestOf(input) }, caller, parts),
      ),
  );
  server.registerResource(
    'produced-file',
    new ResourceTemplate(`${keptScheme}://files/{run}/{name}`, { list: undefined }),
    {
      title: 'Produced file',
      description: `A file that a call made, for ${parts.keptMs / 1_000} s after it.`,
    },
    (uri) => readKept(uri.href, parts),
  );
  return server;
}

const instructionsOf = ({ bounds, boundary }: McpParts): string =>
  `Each call has a work folder of its own in /work, ${sayNetwork(boundary)}, and ${bounds.timeoutMs / 1_000} s. ` +
  'Write files there to get them back: images are shown, others can be read by their links for a while. ' +
  'Name a workspace to find your files again at the next call.';

const hostsSaid = 8;

function sayNetwork({ allowedHosts }: Boundary): string {
  if (allowedHosts.length === 0) return 'no network';
  const more = allowedHosts.length > hostsSaid ? ' and others of $ALLOWED_HOSTS' : '';
  return `no network but HTTP and HTTPS to ${allowedHosts.slice(0, hostsSaid).join(', ')}${more} by the proxy in $https_proxy`;
}

function sayBounds({ bounds, boundary }: McpParts): string {
  const mib = (bytes: number): string => `${Math.round(bytes / (1 << 20))} MiB`;
  return (
    `The work folder is /work (${mib(bounds.workBytesMax)}); there is ${sayNetwork(boundary)}; ` +
    `memory ${mib(bounds.memoryBytesMax)}, time ${bounds.timeoutMs / 1_000} s.`
  );
}

function requestOf(input: Omit<PythonInput, 'code'>) {
  const files: readonly SandboxFile[] = (input.files ?? []).map(({ path, text, base64 }) => ({
    path,
    bytes: base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64'),
  }));
  return {
    args: input.args ?? [],
    stdin: input.stdin ?? '',
    files,
    timeoutMs: input.timeout_ms,
    workspace: input.workspace,
  };
}

/** Holds the request until it is done: its signal is worth nothing without it, and `AbortSignal.any` holds neither. */
async function whileWanted<T>({ mcpReq }: ServerContext, work: (caller: Caller) => Promise<T>): Promise<T> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const sources = [mcpReq, requests.getStore()].filter((source) => source !== undefined);
  for (const { signal } of sources) {
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  }
  const named = mcpReq._meta?.[callerKey];
  const owner = typeof named === 'string' && named.length <= callerCharsMax ? named : '';
  try {
    return await work({ owner, signal: ending.signal, tell: tellerOf(mcpReq) });
  } finally {
    for (const { signal } of sources) signal.removeEventListener('abort', end);
  }
}

/** Progress counts characters; its message is what was said since the last one. */
function tellerOf({ _meta, notify }: ServerContext['mcpReq']): Caller['tell'] {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let progress = 0;
  return (message) => {
    progress += message.length;
    // A caller that went away is told by its signal.
    notify({ method: 'notifications/progress', params: { progressToken, progress, message } }).catch(
      () => undefined,
    );
  };
}

function readKept(uri: string, { kept }: McpParts) {
  const file = kept.read(uri);
  if (!file) throw new ResourceNotFoundError(uri);
  const { mimeType, bytes } = file;
  const named = mimeType.startsWith('text/') || mimeType === 'application/json';
  // Other encodings would come back with replacement characters.
  const isText = named && isUtf8(bytes);
  return {
    contents: [
      isText
        ? { uri, mimeType, text: Buffer.from(bytes).toString() }
        : { uri, mimeType, blob: Buffer.from(bytes).toString('base64') },
    ],
  };
}

export type { ToolResult };
