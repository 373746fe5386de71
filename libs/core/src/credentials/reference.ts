/** How a server's credential is named and put to use: always by reference, never by value. */

import { toBase64 } from '../wire/base64.ts';
import { serverNamePattern } from '../model/ids.ts';
import type { SecretFields } from './secret-text.ts';

declare const brand: unique symbol;

/** What a secret is for, such as `github`; unique within a tenant. */
export type Integration = string & { readonly [brand]: 'integration' };

/** One segment of a path, with nothing in it that a path, a glob or a template could mean something by. */
export const integrationPattern = serverNamePattern;
export const secretFieldPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
export const secretFieldsMax = 32;
export const secretTextCharsMax = 32_768;

export function readIntegration(text: unknown): Integration | undefined {
  return typeof text === 'string' && integrationPattern.test(text) ? (text as Integration) : undefined;
}

/** Which secret a server wants, and as which header. */
export type CredentialUse =
  | { readonly secretRef: Integration; readonly scheme: 'bearer'; readonly field: string }
  | {
      readonly secretRef: Integration;
      readonly scheme: 'header';
      /** Lower-case. */
      readonly header: string;
      readonly field: string;
    }
  | {
      readonly secretRef: Integration;
      readonly scheme: 'basic';
      readonly userField: string;
      readonly passwordField: string;
    };

/** Which secret a child process wants, and in which variables. */
export interface CredentialEnvironment {
  readonly secretRef: Integration;
  /** Variable → field. */
  readonly variables: Readonly<Record<string, string>>;
}

const headerNamePattern = /^[a-z0-9][a-z0-9!#$%&'*+.^_`|~-]{0,63}$/;

/** Headers that say what a message is, where it goes or whose session it belongs to: no credential may stand in for them. */
const takenHeaders =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|accept(-.*)?|content-.*|mcp-.*|proxy-.*|sec-.*|x-forwarded-.*|forwarded|via|origin|referer|user-agent|last-event-id|traceparent|tracestate|x-vault-.*)$/;

/** The name in lower case; undefined where no credential may travel under it. */
export function readCredentialHeader(name: string): string | undefined {
  const lower = name.toLowerCase();
  return headerNamePattern.test(lower) && !takenHeaders.test(lower) ? lower : undefined;
}

/** Variables that change how a program is loaded or found rather than what it knows. */
const loaderVariables =
  /^(PATH|HOME|SHELL|IFS|ENV|BASH_ENV|LD_.*|DYLD_.*|NODE_OPTIONS|NODE_PATH|PYTHONPATH|PYTHONSTARTUP|PERL5LIB|RUBYOPT|GIT_.*)$/;

export function isCredentialVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name) && !loaderVariables.test(name);
}

/** Same text for the same use: what is opened with one credential is not used with another. */
export function credentialKey(use: CredentialUse): string {
  switch (use.scheme) {
    case 'bearer':
      return `${use.secretRef} bearer ${use.field}`;
    case 'header':
      return `${use.secretRef} header ${use.header} ${use.field}`;
    case 'basic':
      return `${use.secretRef} basic ${use.userField} ${use.passwordField}`;
  }
}

export interface CredentialHeader {
  /** Lower-case. */
  readonly name: string;
  readonly value: string;
}

/** Visible ASCII and inner spaces: what every HTTP stack takes as it is. */
const headerValue = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/** The header that carries the secret; the problem never holds a part of it. */
export function credentialHeader(
  use: CredentialUse,
  fields: SecretFields,
): CredentialHeader | { readonly problem: string } {
  if (use.scheme === 'basic') return basicHeader(use.userField, use.passwordField, fields);
  const text = fields.get(use.field)?.reveal();
  if (text === undefined) return missing(use.field);
  if (!headerValue.test(text)) return unfit(use.field);
  return use.scheme === 'bearer'
    ? { name: 'authorization', value: `Bearer ${text}` }
    : { name: use.header, value: text };
}

function basicHeader(
  userField: string,
  passwordField: string,
  fields: SecretFields,
): CredentialHeader | { readonly problem: string } {
  const user = fields.get(userField)?.reveal();
  const password = fields.get(passwordField)?.reveal();
  if (user === undefined) return missing(userField);
  if (password === undefined) return missing(passwordField);
  if (user.includes(':')) return unfit(userField);
  return { name: 'authorization', value: `Basic ${toBase64(`${user}:${password}`)}` };
}

const missing = (field: string) => ({ problem: `the secret has no field ${JSON.stringify(field)}` });
const unfit = (field: string) => ({
  problem: `the field ${JSON.stringify(field)} of the secret cannot be a header's value`,
});

/** Variables for a child process; the problem never holds a part of the secret. */
export function credentialEnvironment(
  { variables }: CredentialEnvironment,
  fields: SecretFields,
): { readonly env: Readonly<Record<string, string>> } | { readonly problem: string } {
  const env: Record<string, string> = {};
  for (const [variable, field] of Object.entries(variables)) {
    const text = fields.get(field)?.reveal();
    if (text === undefined) return missing(field);
    if (text.includes('\0')) return { problem: `the field ${JSON.stringify(field)} holds a NUL` };
    env[variable] = text;
  }
  return { env };
}
