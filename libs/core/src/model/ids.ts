/** Branded names of things: a tenant, a server, an instance, a gateway. Made only by the readers below. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<'tenant'>;
export type ServerName = Branded<'server'>;
export type InstanceId = Branded<'instance'>;
export type GatewayId = Branded<'gateway'>;

/** A logical server is known by tenant and name; this is the key that every map uses. */
export type ServerKey = Branded<'server-key'>;

export const defaultTenant = 'default' as TenantId;

/** No dot: the canonical tool name `mcp.<server>.<tool>` is cut at the first dot behind the server. */
export const serverNamePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const tenantPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const instancePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
/** A gateway id is one token of a NATS subject: no dot, no wildcard, no space. */
const gatewayPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

export function readServerName(text: unknown): ServerName | undefined {
  return typeof text === 'string' && serverNamePattern.test(text) ? (text as ServerName) : undefined;
}
export function readTenantId(text: unknown): TenantId | undefined {
  return typeof text === 'string' && tenantPattern.test(text) ? (text as TenantId) : undefined;
}
export function readInstanceId(text: unknown): InstanceId | undefined {
  return typeof text === 'string' && instancePattern.test(text) ? (text as InstanceId) : undefined;
}
export function readGatewayId(text: unknown): GatewayId | undefined {
  return typeof text === 'string' && gatewayPattern.test(text) ? (text as GatewayId) : undefined;
}

/** Neither part may hold a slash, so two different pairs never make the same key. */
export function serverKey(tenantId: TenantId, name: ServerName): ServerKey {
  return `${tenantId}/${name}` as ServerKey;
}

/**
 * The nearest valid server name for a free-form label such as "GitHub (work)"; undefined if nothing is left of it.
 * Client configuration files carry any string as a server's name.
 */
export function toServerName(label: string): ServerName | undefined {
  const name = label
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return readServerName(name);
}
