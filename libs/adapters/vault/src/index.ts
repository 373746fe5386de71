/** The face of the Vault adapter. */

export { openVaultByFiles, type VaultByFiles, type VaultLogin } from './from-files.ts';
export { readVaultPath, type VaultPath } from './path.ts';
export { openVault, type VaultAuth, type VaultConfig, type VaultParts } from './provider.ts';
