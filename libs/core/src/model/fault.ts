/** A failure that may happen, as a value, and the one table that turns it into HTTP and JSON-RPC. */

import type { CredentialFailure } from '../credentials/lease.ts';

export type Fault =
  // what the caller sent
  | { readonly fault: 'bad_json'; readonly detail: string }
  | { readonly fault: 'bad_request'; readonly detail: string }
  | { readonly fault: 'bad_params'; readonly detail: string }
  | { readonly fault: 'batch_refused'; readonly detail: string }
  | { readonly fault: 'body_too_large'; readonly bytesMax: number }
  | { readonly fault: 'wrong_content_type'; readonly got: string }
  | { readonly fault: 'not_acceptable'; readonly got: string }
  | { readonly fault: 'wrong_http_method'; readonly allow: string }
  | { readonly fault: 'no_such_path'; readonly path: string }
  | { readonly fault: 'wrong_host'; readonly host: string }
  | { readonly fault: 'wrong_origin'; readonly origin: string }
  | { readonly fault: 'header_mismatch'; readonly detail: string }
  | {
      readonly fault: 'unsupported_version';
      readonly requested: string;
      readonly supported: readonly string[];
    }
  | { readonly fault: 'missing_capability'; readonly detail: string; readonly required: object }
  | { readonly fault: 'unknown_session' }
  | { readonly fault: 'session_required' }
  | { readonly fault: 'unknown_method'; readonly method: string }
  // who the caller is and what it may do
  | { readonly fault: 'unauthenticated'; readonly detail: string }
  | { readonly fault: 'forbidden'; readonly detail: string }
  | { readonly fault: 'rate_limited'; readonly retryAfterMs: number }
  | { readonly fault: 'overloaded'; readonly detail: string; readonly retryAfterMs: number }
  // where the call should go
  | { readonly fault: 'unknown_server'; readonly server: string; readonly known: readonly string[] }
  | { readonly fault: 'unknown_tool'; readonly name: string; readonly hint: string }
  | { readonly fault: 'unknown_resource'; readonly uri: string }
  // what became of it on the way
  | {
      readonly fault: 'upstream_unavailable';
      readonly server: string;
      readonly detail: string;
      readonly neverLeft: boolean;
    }
  | { readonly fault: 'upstream_timeout'; readonly server: string; readonly timeoutMs: number }
  | { readonly fault: 'upstream_broken'; readonly server: string; readonly detail: string }
  | { readonly fault: 'upstream_too_large'; readonly server: string; readonly bytesMax: number }
  | {
      readonly fault: 'credential_unavailable';
      readonly server: string;
      readonly why: CredentialFailure;
      readonly detail: string;
      readonly retryAfterMs: number;
    }
  | { readonly fault: 'cancelled' }
  | { readonly fault: 'draining' }
  | { readonly fault: 'internal'; readonly detail: string };

export type FaultName = Fault['fault'];

/** True for a fault among results; results never have a `fault` field of their own. */
export function isFault(value: unknown): value is Fault {
  return (
    typeof value === 'object' && value !== null && typeof (value as { fault?: unknown }).fault === 'string'
  );
}

interface Row {
  readonly httpStatus: number;
  /** JSON-RPC code. -320xx below -32019 are the specification's own (2026-07-28); ours lie outside -32768..-32000. */
  readonly code: number;
}

/**
 * A new fault does not compile until it has a row.
 * Codes -31000 and up are this gateway's own: a locally made error must not look like a peer's
 * (MCP 2026-07-28, "Error handling").
 */
export const faultTable = {
  bad_json: { httpStatus: 400, code: -32700 },
  bad_request: { httpStatus: 400, code: -32600 },
  bad_params: { httpStatus: 400, code: -32602 },
  batch_refused: { httpStatus: 400, code: -32600 },
  body_too_large: { httpStatus: 413, code: -32600 },
  wrong_content_type: { httpStatus: 415, code: -32600 },
  not_acceptable: { httpStatus: 406, code: -32600 },
  wrong_http_method: { httpStatus: 405, code: -32600 },
  no_such_path: { httpStatus: 404, code: -32600 },
  wrong_host: { httpStatus: 403, code: -32600 },
  wrong_origin: { httpStatus: 403, code: -32600 },
  header_mismatch: { httpStatus: 400, code: -32020 },
  unsupported_version: { httpStatus: 400, code: -32022 },
  missing_capability: { httpStatus: 400, code: -32021 },
  unknown_session: { httpStatus: 404, code: -32600 },
  session_required: { httpStatus: 400, code: -32600 },
  unknown_method: { httpStatus: 404, code: -32601 },
  unauthenticated: { httpStatus: 401, code: -31001 },
  forbidden: { httpStatus: 403, code: -31003 },
  rate_limited: { httpStatus: 429, code: -31029 },
  overloaded: { httpStatus: 503, code: -31030 },
  unknown_server: { httpStatus: 404, code: -32602 },
  unknown_tool: { httpStatus: 200, code: -32602 },
  unknown_resource: { httpStatus: 200, code: -32602 },
  upstream_unavailable: { httpStatus: 503, code: -31053 },
  upstream_timeout: { httpStatus: 504, code: -31054 },
  upstream_broken: { httpStatus: 502, code: -31052 },
  upstream_too_large: { httpStatus: 502, code: -31055 },
  credential_unavailable: { httpStatus: 503, code: -31056 },
  cancelled: { httpStatus: 499, code: -31099 },
  draining: { httpStatus: 503, code: -31031 },
  internal: { httpStatus: 500, code: -32603 },
} as const satisfies Record<FaultName, Row>;

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.slice(0, 20).join(', ');

/** One sentence for the person who can mend it: what was wrong, where, what would be right. No secret, no address. */
export function faultMessage(f: Fault): string {
  switch (f.fault) {
    case 'bad_json':
      return `The body is not valid JSON: ${f.detail}.`;
    case 'bad_request':
    case 'bad_params':
    case 'batch_refused':
    case 'header_mismatch':
    case 'missing_capability':
    case 'unauthenticated':
    case 'forbidden':
    case 'overloaded':
      return f.detail;
    case 'body_too_large':
      return `The body is larger than ${f.bytesMax} bytes, the most that is taken here.`;
    case 'wrong_content_type':
      return `Content-Type is ${JSON.stringify(f.got)}; send application/json.`;
    case 'not_acceptable':
      return `Accept is ${JSON.stringify(f.got)}; list application/json and text/event-stream.`;
    case 'wrong_http_method':
      return `This path takes ${f.allow} only.`;
    case 'no_such_path':
      return `Nothing is served at ${f.path}; MCP is at /mcp, /servers/<name>/mcp and /virtual/<name>/mcp; HTTP+SSE at the same paths with /sse for /mcp.`;
    case 'wrong_host':
      return `The Host header ${JSON.stringify(f.host)} is not one that this gateway answers to; add it to CRUVERO_MCPGW_ALLOWED_HOSTS if it should be.`;
    case 'wrong_origin':
      return `The Origin ${JSON.stringify(f.origin)} is not allowed; add it to CRUVERO_MCPGW_ALLOWED_ORIGINS if it should be.`;
    case 'unsupported_version':
      return `Protocol version ${JSON.stringify(f.requested)} is not served here; supported: ${f.supported.join(', ')}.`;
    case 'unknown_session':
      return 'This session is not known (any more); send initialize again.';
    case 'session_required':
      return 'Mcp-Session-Id is missing; send initialize first and repeat the id that it returns.';
    case 'unknown_method':
      return `Method ${JSON.stringify(f.method)} is not served here.`;
    case 'rate_limited':
      return `Too many calls; try again in ${f.retryAfterMs} ms.`;
    case 'unknown_server':
      return `There is no server ${JSON.stringify(f.server)}; known: ${listed(f.known)}.`;
    case 'unknown_tool':
      return `Unknown name ${JSON.stringify(f.name)}; ${f.hint}`;
    case 'unknown_resource':
      return `Resource ${JSON.stringify(f.uri)} belongs to no server here; use a URI from resources/list.`;
    case 'upstream_unavailable':
      return `Server ${JSON.stringify(f.server)} cannot be reached: ${f.detail}.`;
    case 'upstream_timeout':
      return `Server ${JSON.stringify(f.server)} did not answer within ${f.timeoutMs} ms.`;
    case 'upstream_broken':
      return `Server ${JSON.stringify(f.server)} answered something that is not MCP: ${f.detail}.`;
    case 'upstream_too_large':
      return `The answer of server ${JSON.stringify(f.server)} is larger than ${f.bytesMax} bytes.`;
    case 'credential_unavailable':
      return `There is no credential for server ${JSON.stringify(f.server)}: ${f.detail}.`;
    case 'cancelled':
      return 'The call was cancelled by its caller.';
    case 'draining':
      return 'This gateway is shutting down; try again, another replica will answer.';
    case 'internal':
      return `Internal error: ${f.detail}.`;
  }
}

/** Machine-readable part of the error, or undefined where the message says it all. */
export function faultData(f: Fault): Readonly<Record<string, unknown>> | undefined {
  switch (f.fault) {
    case 'unsupported_version':
      return { supported: f.supported, requested: f.requested };
    case 'missing_capability':
      return { requiredCapabilities: f.required };
    case 'rate_limited':
    case 'overloaded':
      return { retryAfterMs: f.retryAfterMs };
    case 'upstream_unavailable':
    case 'upstream_timeout':
    case 'upstream_broken':
    case 'upstream_too_large':
      return { reason: f.fault, server: f.server };
    case 'credential_unavailable':
      return { reason: f.fault, server: f.server, why: f.why, retryAfterMs: f.retryAfterMs };
    default:
      return undefined;
  }
}
