/** Vault as operators describe it: what is secret or long stands in files, named by their paths. */

import { readFile } from 'node:fs/promises';
import type { CredentialProvider } from '@cruvero/ports';
import { openVault, type VaultAuth, type VaultConfig, type VaultParts } from './provider.ts';

/** As `VaultAuth`; Kubernetes renews the token in its file, so it is read at each login. */
export type VaultLogin =
  | Exclude<VaultAuth, { readonly kind: 'kubernetes' }>
  | { readonly kind: 'kubernetes'; readonly mount: string; readonly role: string; readonly jwtFile: string };

export interface VaultByFiles extends Omit<VaultConfig, 'auth' | 'ca'> {
  readonly login: VaultLogin;
  /** PEM of further certificate authorities, read once. */
  readonly caFile: string | undefined;
}

/** Rejects where the file of authorities cannot be read. */
export async function openVaultByFiles(
  { login, caFile, ...settings }: VaultByFiles,
  parts: VaultParts,
): Promise<CredentialProvider> {
  const auth: VaultAuth =
    login.kind === 'kubernetes' ? { ...login, readJwt: () => readFile(login.jwtFile, 'utf8') } : login;
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') };
  return openVault({ ...settings, auth, ...ca }, parts);
}
