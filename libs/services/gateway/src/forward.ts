/** One attempt at one instance: in the server's era there, in the caller's era back. */

import {
  adaptReply,
  changeMembers,
  exposeUris,
  faultData,
  faultTable,
  isFault,
  isJsonProblem,
  objectMembers,
  textOf,
  wholeObject,
  type Fault,
  type Json,
  type Reply,
} from '@cruvero/core';
import type { Telemetry } from '@cruvero/ports';
import { lateBy } from './deadline.ts';
import type { Links } from './links.ts';
import type { Forward, Routed } from './pipeline.ts';

export function forwarder(links: Links, telemetry: Telemetry): Forward {
  let tokens = 0;
  return async (call, instance) => {
    const token = (tokens = (tokens + 1) % Number.MAX_SAFE_INTEGER);
    const span = telemetry.tracer.start('mcp forward', call.trace, 'client');
    const answer = await links.of(call.server, instance).request({
      method: call.message.method,
      params: call.message.params,
      meta: call.spoken.meta,
      metaChanges: {
        ...progress(call, token),
        traceparent: span.context.traceparent,
        tracestate: span.context.tracestate,
      },
      changes: call.changes,
      sessionKey: sessionKey(call),
      capabilities: call.capabilities,
      abort: call.abort,
      onNotification: (text) => relay(call, token, text),
    });
    if (isFault(answer)) span.fail(answer.fault);
    span.set('mcp.instance', instance.instanceId);
    span.end();
    return isFault(answer) ? ownUp(call, answer) : toCaller(call, answer.reply, answer.era);
  };
}

/** A call that its deadline ended was not cancelled by its caller: the server took too long. */
function ownUp(call: Routed, fault: Fault): Fault {
  const late = fault.fault === 'cancelled' ? lateBy(call.abort.signal) : undefined;
  return late === undefined
    ? fault
    : { fault: 'upstream_timeout', server: call.server.name, timeoutMs: late };
}

/** Sessions are never shared between principals. */
function sessionKey(call: Routed): string {
  return `${call.principal.tenantId}/${call.principal.name}`;
}

/** Two callers may use the same token; towards a shared session each call gets its own. */
function progress(call: Routed, token: number): { readonly progressToken?: Json } {
  return call.spoken.meta?.['progressToken'] === undefined ? {} : { progressToken: token };
}

function toCaller(call: Routed, reply: Reply, from: 'legacy' | 'modern'): Reply | Fault {
  const adapted = adaptReply(reply, call.message.method, from, call.spoken.era, call.server.name);
  if (isFault(adapted)) return untranslatable(call, adapted);
  if (adapted.kind === 'error' || call.door.door === 'server') return adapted;
  return { kind: 'result', text: exposeUris(call.message.method, call.server.name, adapted.text) };
}

/** The server did its work, so this speaks neither against it nor for another attempt: an answer, not a fault. */
function untranslatable(call: Routed, fault: Fault): Reply | Fault {
  if (fault.fault !== 'upstream_broken') return fault;
  const message = `The answer of server ${JSON.stringify(call.server.name)} cannot be given to you: ${fault.detail}.`;
  const { code } = faultTable[fault.fault];
  return { kind: 'error', code, text: JSON.stringify({ code, message, data: faultData(fault) }) };
}

/** Notifications about this call go to its caller, with the token it gave. */
function relay(call: Routed, token: number, text: string): void {
  const members = wholeObject(text);
  if (isJsonProblem(members)) return;
  const params = members.get('params');
  if (!params) return;
  const method = textOf(text, members.get('method') ?? params);
  if (method === '"notifications/progress"') return relayProgress(call, token, text, textOf(text, params));
  if (method === '"notifications/message"' && wantsMessages(call)) call.notify(text);
}

function relayProgress(call: Routed, token: number, text: string, paramsText: string): void {
  const own = call.spoken.meta?.['progressToken'];
  const params = objectMembers(paramsText, 0);
  if (own === undefined || isJsonProblem(params)) return;
  const given = params.get('progressToken');
  if (!given || textOf(paramsText, given) !== String(token)) return;
  const mine = changeMembers(paramsText, { progressToken: JSON.stringify(own) });
  call.notify(changeMembers(text, { params: mine }));
}

/** A modern caller gets log messages only for a request that asked for them (MCP 2026-07-28, "Logging"). */
function wantsMessages(call: Routed): boolean {
  return call.spoken.era === 'legacy' || call.spoken.meta?.['io.modelcontextprotocol/logLevel'] !== undefined;
}
