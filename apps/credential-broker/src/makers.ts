/** How the places for secrets are opened. */

import { readFile } from 'node:fs/promises';
import {
  environmentSecrets,
  secretFile,
  secretFileKey,
  type EnvironmentNames,
} from '@cruvero/adapter-secret-file';
import { openVault, type VaultAuth, type VaultPath } from '@cruvero/adapter-vault';
import type { ProviderMakers } from '@cruvero/service-credential-broker';

export const makers: ProviderMakers<VaultPath, EnvironmentNames> = {
  vault: async ({ login, caFile, ...settings }, parts) => {
    const auth: VaultAuth =
      login.kind === 'kubernetes' ? { ...login, readJwt: () => readFile(login.jwtFile, 'utf8') } : login;
    const ca = caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') };
    return openVault({ ...settings, auth, ...ca }, parts);
  },
  file: (path, key) => secretFile({ path, key }),
  fileKeyAt: secretFileKey,
  environment: environmentSecrets,
};
