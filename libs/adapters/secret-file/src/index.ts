/** The face of the adapters that keep secrets on this machine: an encrypted file, and variables of the environment. */

export { environmentSecrets, readEnvironmentNames, type EnvironmentNames } from './environment.ts';
export { readFileKey, secretFile, secretFileKey, type SecretFileParts } from './secret-file.ts';
