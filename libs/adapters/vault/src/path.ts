/** `admin/tenant-{id}/kv`: in which namespace and at which mount a tenant's secrets are. */

/** Where a tenant's engine is: `X-Vault-Namespace` and the mount in it, or the same as one path where there are no namespaces. */
export interface Place {
  /** Empty: the root. */
  readonly namespace: string;
  readonly mount: string;
}

export interface VaultPath {
  /** Segments with `{id}` in at least one of them; the last one is the mount. */
  readonly segments: readonly string[];
}

const mark = '{id}';
const segmentPattern = /^[A-Za-z0-9_-]*(\{id\})?[A-Za-z0-9_-]*$/;
const segmentsMax = 8;

/** A path without the tenant's id would give every tenant the same secrets, so it is a problem. */
export function readVaultPath(text: string, hasDynamic = false): VaultPath | { readonly problem: string } {
  const segments = text.replace(/^\/+|\/+$/g, '').split('/');
  if (segments.length > segmentsMax || !segments.every((one) => one !== '' && segmentPattern.test(one)))
    return { problem: 'must be segments of letters, digits, - and _ with slashes between them' };
  if (!segments.some((segment) => segment.includes(mark)))
    return { problem: `must hold ${mark}, in whose place the tenant comes` };
  // Engines beside the mount take its place: all that is left of the path has to name the tenant.
  if (hasDynamic && !segments.slice(0, -1).some((segment) => segment.includes(mark)))
    return { problem: `must hold ${mark} before its last segment, since secrets are made beside that` };
  return { segments };
}

/** `tenant` is checked by whoever calls: it holds no slash and no dot. */
export function placeOf({ segments }: VaultPath, tenant: string, namespaces: boolean): Place {
  const filled = segments.map((segment) => segment.replace(mark, tenant));
  if (!namespaces) return { namespace: '', mount: filled.join('/') };
  return { namespace: filled.slice(0, -1).join('/'), mount: filled.slice(-1).join('') };
}

/** Another engine of the same tenant, such as `database/creds/reader`. */
export function besideOf(path: VaultPath, tenant: string, namespaces: boolean, rest: string): Place {
  const { namespace, mount } = placeOf(path, tenant, namespaces);
  if (namespaces) return { namespace, mount: rest };
  return { namespace: '', mount: [...mount.split('/').slice(0, -1), rest].join('/') };
}
