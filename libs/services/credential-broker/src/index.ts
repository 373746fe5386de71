/** The face of the credential broker. */

export { startCredentialBroker, type CredentialBroker, type CredentialBrokerPorts } from './broker.ts';
export { credentialBrokerConfig, credentialBrokerTerms, type CredentialBrokerConfig } from './config.ts';
export {
  openProviders,
  providerSettings,
  type ProviderSettings,
  type ProviderMakers,
  type ProviderReaders,
} from './providers.ts';
