/** A reference to a secret as it is written in cruvero.json, in REST bodies and on the wire; never the secret itself. */

import {
  integrationPattern,
  isCredentialVariable,
  readCredentialHeader,
  secretFieldPattern,
  type CredentialEnvironment,
  type CredentialUse,
  type Integration,
} from '@cruvero/core';
import { z } from 'zod';

const secretRef = z.string().regex(integrationPattern, 'must match ^[a-z0-9][a-z0-9_-]{0,62}$');
const field = z.string().regex(secretFieldPattern, 'must be 1 to 63 letters, digits, - or _');
const header = z
  .string()
  .max(64)
  .refine((name) => readCredentialHeader(name) !== undefined, 'is no header that may carry a credential');

/** On the wire, in REST and in events. Fields that nobody named have the usual names. */
export const credentialWireSchema = z.discriminatedUnion('scheme', [
  z.strictObject({ secret_ref: secretRef, scheme: z.literal('bearer'), field: field.default('token') }),
  z.strictObject({
    secret_ref: secretRef,
    scheme: z.literal('header'),
    header,
    field: field.default('token'),
  }),
  z.strictObject({
    secret_ref: secretRef,
    scheme: z.literal('basic'),
    user_field: field.default('username'),
    password_field: field.default('password'),
  }),
]);

/** As a person writes it in cruvero.json. Unknown members are refused: one of them might be the secret. */
export const credentialFileSchema = z.discriminatedUnion('scheme', [
  z.strictObject({ secretRef, scheme: z.literal('bearer'), field: field.default('token') }),
  z.strictObject({ secretRef, scheme: z.literal('header'), header, field: field.default('token') }),
  z.strictObject({
    secretRef,
    scheme: z.literal('basic'),
    userField: field.default('username'),
    passwordField: field.default('password'),
  }),
]);

export const credentialEnvironmentSchema = z.strictObject({
  secretRef,
  env: z
    .record(
      z.string().refine(isCredentialVariable, 'is no name of a variable that may carry a credential'),
      field,
    )
    .refine((names) => Object.keys(names).length >= 1 && Object.keys(names).length <= 32, {
      message: 'must name 1 to 32 variables',
    }),
});

export type CredentialWire = z.output<typeof credentialWireSchema>;

export function credentialUse(wire: CredentialWire): CredentialUse {
  const secretRef = wire.secret_ref as Integration;
  switch (wire.scheme) {
    case 'bearer':
      return { secretRef, scheme: 'bearer', field: wire.field };
    case 'header':
      return { secretRef, scheme: 'header', header: wire.header.toLowerCase(), field: wire.field };
    case 'basic':
      return { secretRef, scheme: 'basic', userField: wire.user_field, passwordField: wire.password_field };
  }
}

export function credentialWire(use: CredentialUse): CredentialWire {
  switch (use.scheme) {
    case 'bearer':
      return { secret_ref: use.secretRef, scheme: 'bearer', field: use.field };
    case 'header':
      return { secret_ref: use.secretRef, scheme: 'header', header: use.header, field: use.field };
    case 'basic':
      return {
        secret_ref: use.secretRef,
        scheme: 'basic',
        user_field: use.userField,
        password_field: use.passwordField,
      };
  }
}

/** The use, or what is wrong with it: places and reasons, never values. Without a scheme it is a bearer token. */
export function readFileCredential(value: unknown): CredentialUse | string {
  const isPlain = typeof value === 'object' && value !== null && !('scheme' in value);
  const read = credentialFileSchema.safeParse(isPlain ? { ...value, scheme: 'bearer' } : value);
  if (!read.success) return problemsOf(read.error);
  const secretRef = read.data.secretRef as Integration;
  return read.data.scheme === 'header'
    ? { ...read.data, secretRef, header: read.data.header.toLowerCase() }
    : { ...read.data, secretRef };
}

export function readFileEnvironment(value: unknown): CredentialEnvironment | string {
  const read = credentialEnvironmentSchema.safeParse(value);
  if (!read.success) return problemsOf(read.error);
  return { secretRef: read.data.secretRef as Integration, variables: read.data.env };
}

function problemsOf(error: z.ZodError): string {
  const sentences = error.issues.slice(0, 4).map(({ path, message, code }) => {
    // A name that is not known might be a secret in the wrong place.
    const said = code === 'unrecognized_keys' ? 'has members that are not known here' : message;
    return `${['credential', ...path.map(String)].slice(0, 3).join('.')}: ${said}`;
  });
  return sentences.join('; ');
}
