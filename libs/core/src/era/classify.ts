/** Which era a request speaks, and whether its headers and its body say the same (MCP 2026-07-28, Streamable HTTP). */

import type { Fault } from '../model/fault.ts';
import { isJsonObject, parseJsonObject, type JsonObject } from '../model/json.ts';
import { decodeHeaderValue } from '../wire/header-value.ts';
import { paramText, stringParam, type NotificationMessage, type RequestMessage } from './message.ts';
import {
  isLegacyVersion,
  isModernVersion,
  legacyAssumed,
  legacyLatest,
  legacyOnlyMethods,
  legacyVersions,
  metaKeys,
  modernVersions,
  nameParameter,
  type Era,
} from './versions.ts';

/** The headers that take part; undefined where absent. Values as received. */
export interface EraHeaders {
  readonly protocolVersion: string | undefined;
  readonly mcpMethod: string | undefined;
  readonly mcpName: string | undefined;
}

export type Spoken =
  | { readonly era: 'legacy'; readonly version: string; readonly meta: JsonObject | undefined }
  | {
      readonly era: 'modern';
      readonly version: string;
      readonly meta: JsonObject;
      readonly clientCapabilities: JsonObject;
    };

/** Total and pure: every message gets an era or a fault, never a throw. */
export function classify(message: RequestMessage | NotificationMessage, headers: EraHeaders): Spoken | Fault {
  const meta = readMeta(message);
  if (meta === 'not_an_object') return { fault: 'bad_params', detail: '"_meta" is an object.' };
  const metaVersion = meta?.[metaKeys.protocolVersion];
  // Its client negotiates, whatever version a header names; with a modern envelope it is a method that this era dropped.
  if (message.method === 'initialize' && metaVersion === undefined)
    return { era: 'legacy', version: legacyLatest, meta };
  if (metaVersion === undefined && !claimsModern(headers)) return legacy(headers.protocolVersion, meta);
  return modern(message, headers, meta ?? {});
}

function readMeta(message: RequestMessage | NotificationMessage): JsonObject | undefined | 'not_an_object' {
  const text = paramText(message.params, '_meta');
  return text === undefined ? undefined : (parseJsonObject(text) ?? 'not_an_object');
}

function claimsModern(headers: EraHeaders): boolean {
  const version = headers.protocolVersion;
  return (
    version !== undefined &&
    (isModernVersion(version) || (!isLegacyVersion(version) && headers.mcpMethod !== undefined))
  );
}

function legacy(headerVersion: string | undefined, meta: JsonObject | undefined): Spoken | Fault {
  const version = headerVersion ?? legacyAssumed;
  if (isLegacyVersion(version)) return { era: 'legacy', version, meta };
  return {
    fault: 'unsupported_version',
    requested: version,
    supported: [...modernVersions, ...legacyVersions],
  };
}

function modern(
  message: RequestMessage | NotificationMessage,
  headers: EraHeaders,
  meta: JsonObject,
): Spoken | Fault {
  const version = meta[metaKeys.protocolVersion];
  if (typeof version !== 'string') {
    return {
      fault: 'bad_params',
      detail: `params._meta needs ${JSON.stringify(metaKeys.protocolVersion)}, a string.`,
    };
  }
  const mismatch = headerMismatch(message, headers, version);
  if (mismatch !== undefined) return { fault: 'header_mismatch', detail: mismatch };
  if (!isModernVersion(version))
    return { fault: 'unsupported_version', requested: version, supported: modernVersions };
  const clientCapabilities = meta[metaKeys.clientCapabilities];
  if (message.kind === 'request' && !isJsonObject(clientCapabilities)) {
    return {
      fault: 'bad_params',
      detail: `params._meta needs ${JSON.stringify(metaKeys.clientCapabilities)}, an object.`,
    };
  }
  if (legacyOnlyMethods.has(message.method)) return { fault: 'unknown_method', method: message.method };
  return {
    era: 'modern',
    version,
    meta,
    clientCapabilities: isJsonObject(clientCapabilities) ? clientCapabilities : {},
  };
}

/** One sentence about the first header that is missing or differs from the body. */
function headerMismatch(
  message: RequestMessage | NotificationMessage,
  headers: EraHeaders,
  version: string,
): string | undefined {
  if (headers.protocolVersion === undefined)
    return 'The header MCP-Protocol-Version is missing; repeat the version of params._meta.';
  if (headers.protocolVersion !== version) {
    return `The header MCP-Protocol-Version is ${quoted(headers.protocolVersion)}, params._meta says ${quoted(version)}.`;
  }
  if (headers.mcpMethod === undefined) {
    return message.kind === 'request'
      ? 'The header Mcp-Method is missing; repeat the method of the body.'
      : undefined;
  }
  if (headers.mcpMethod !== message.method) {
    return `The header Mcp-Method is ${quoted(headers.mcpMethod)}, the body says ${quoted(message.method)}.`;
  }
  const parameter = nameParameter(message.method);
  return parameter === undefined ? undefined : nameMismatch(message, headers.mcpName, parameter);
}

function nameMismatch(
  message: RequestMessage | NotificationMessage,
  header: string | undefined,
  parameter: string,
): string | undefined {
  const value = stringParam(message.params, parameter);
  // Nothing to repeat: that the parameter itself is missing is for its reader to say.
  if (value === undefined && (header === undefined || header === '')) return undefined;
  if (header === undefined) return `The header Mcp-Name is missing; repeat params.${parameter} of the body.`;
  const named = decodeHeaderValue(header);
  if (named === undefined)
    return 'The header Mcp-Name holds characters that need the =?base64?…?= form, or base64 that is not valid.';
  if (named !== value)
    return `The header Mcp-Name is ${quoted(named)}, params.${parameter} says ${quoted(value ?? '')}.`;
  return undefined;
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 128));

/** The era of a version, for upstream peers. */
export function eraOf(version: string): Era {
  return isModernVersion(version) ? 'modern' : 'legacy';
}
