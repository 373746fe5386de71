/** The face of the credential-broker service. */

export * from './credential-broker.ts';
