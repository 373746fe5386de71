/** The face of the adapter that asks the credential broker over the bus. */

export {
  busCredentials,
  type BusCredentials,
  type BusCredentialsOptions,
  type BusCredentialsParts,
} from './bus-credentials.ts';
