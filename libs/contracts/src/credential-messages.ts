/** What askers and the credential broker say to each other. Each ask and each answer is signed; a secret in them is sealed. */

import { integrationPattern, secretFieldPattern } from '@cruvero/core';
import { z } from 'zod';

const integration = z
  .string()
  .regex(integrationPattern, 'must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots, no slashes)');
const tenant = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'must be 1 to 63 letters, digits, - or _');
const nonce = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/);
/** Public part of an X25519 key (RFC 8037): no other member is read, so that no private part can come along. */
export const publicKeySchema = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('X25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

/** Name of a service among askers, such as `gw-1`. */
export const askerPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const common = {
  /** Once only, within the time in which `at_ms` counts. */
  nonce,
  /** When it was asked, in milliseconds since 1970. */
  at_ms: z.number().int().min(0),
};

/** The claims of a signed ask; who asks is in its header, as the key's name. */
export const credentialAskSchema = z.discriminatedUnion('op', [
  z.strictObject({
    ...common,
    op: z.literal('lease'),
    tenant,
    integration,
    /** To which the secret is sealed: of the asker's present run. */
    public_key: publicKeySchema,
    /** The lease that this one goes on from. */
    renews: z.string().max(64).optional(),
  }),
  /** The broker's own public key, to seal a secret for it. */
  z.strictObject({ ...common, op: z.literal('key') }),
  z.strictObject({
    ...common,
    op: z.literal('put'),
    tenant,
    integration,
    /** `sealedSecretSchema` as compact JWE. */
    sealed: z.string().max(1 << 20),
    /** Principal on whose behalf. */
    by: z.string().max(256),
  }),
  z.strictObject({
    ...common,
    op: z.literal('delete'),
    tenant,
    integration,
    by: z.string().max(256),
    /** For this broker in its present run only; a secret that is written is bound to it by its seal. */
    broker: publicKeySchema.shape.x,
  }),
]);

/** What is inside a seal; tenant, integration and nonce must be those of the ask. */
export const sealedSecretSchema = z.strictObject({
  nonce,
  tenant,
  integration,
  fields: z.record(z.string().regex(secretFieldPattern), z.string().max(32_768)),
});

export const credentialAnswerSchema = z.discriminatedUnion('outcome', [
  z.looseObject({
    outcome: z.literal('lease'),
    nonce,
    lease_id: z.string().min(1).max(64),
    /** Which provider had it. */
    provider: z.string().min(1).max(64),
    ttl_ms: z.number().int().min(1),
    sealed: z.string().max(1 << 20),
  }),
  z.looseObject({ outcome: z.literal('key'), nonce, public_key: publicKeySchema }),
  z.looseObject({
    outcome: z.literal('written'),
    nonce,
    /** Where the secret is now, or where it was taken out. */
    provider: z.string().min(1).max(64),
    /** Providers that still have one, which cannot be deleted from here. */
    still_in: z.array(z.string().max(64)).max(16).default([]),
  }),
  z.looseObject({
    outcome: z.literal('refused'),
    nonce,
    why: z.enum(['not_found', 'denied', 'away', 'busy', 'unfit']),
    detail: z.string().max(512),
    retry_after_ms: z.number().int().min(0),
  }),
]);

/** On the bus: a compact JWS, and nothing beside it. */
export const signedSchema = z.looseObject({ jws: z.string().max(2 << 20) });

/** A broadcast without a secret: the same claims signed for each asker with the key that it shares with the broker. */
export const credentialBroadcastSchema = z.looseObject({
  /** Asker → compact JWS of `credentialRevokedSchema`. */
  to: z.record(z.string().regex(askerPattern), z.string().max(4_096)),
});

export const credentialRevokedSchema = z.looseObject({
  ...common,
  tenant,
  integration,
  why: z.enum(['revoked', 'rotated']),
});

export const credentialAuditSchema = z.looseObject({
  event_id: z.string(),
  timestamp: z.string(),
  action: z.enum(['issued', 'renewed', 'denied', 'unavailable', 'revoked', 'rotated', 'written', 'deleted']),
  asker: z.string(),
  tenant_id: z.string(),
  integration: z.string(),
  lease_id: z.string().optional(),
  provider: z.string().optional(),
  reason: z.string().optional(),
  by: z.string().optional(),
});

/** Body of `PUT /admin/api/v1/credentials/{integration}`. */
export const credentialPutSchema = z.strictObject({
  fields: z
    .record(
      z.string().regex(secretFieldPattern, 'names of fields are 1 to 63 letters, digits, - or _'),
      z.string().min(1).max(32_768),
    )
    .refine((fields) => Object.keys(fields).length >= 1, 'must have at least one field')
    .refine((fields) => Object.keys(fields).length <= 32, 'must have at most 32 fields'),
});
export const credentialWrittenSchema = z.object({
  integration: z.string(),
  tenant_id: z.string(),
  provider: z.string(),
  still_in: z.array(z.string()),
});

export type CredentialAsk = z.output<typeof credentialAskSchema>;
export type CredentialAnswer = z.output<typeof credentialAnswerSchema>;
export type SealedSecret = z.output<typeof sealedSecretSchema>;
export type CredentialRevoked = z.output<typeof credentialRevokedSchema>;
export type CredentialAudit = z.output<typeof credentialAuditSchema>;
export type PublicKey = z.output<typeof publicKeySchema>;
