/** How the places for secrets are opened. */

import {
  environmentSecrets,
  secretFile,
  secretFileKey,
  type EnvironmentNames,
} from '@cruvero/adapter-secret-file';
import { openVaultByFiles, type VaultPath } from '@cruvero/adapter-vault';
import type { ProviderMakers } from '@cruvero/service-credential-broker';

export const makers: ProviderMakers<VaultPath, EnvironmentNames> = {
  vault: openVaultByFiles,
  file: (path, key) => secretFile({ path, key }),
  fileKeyAt: secretFileKey,
  environment: environmentSecrets,
};
