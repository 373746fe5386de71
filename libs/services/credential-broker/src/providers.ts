/** Which providers there are, by the settings, and in which order they are asked: Vault, the encrypted file, the environment. */

import { Secret, type Env, type Reader } from '@cruvero/chassis';
import { readIntegration, type Integration, SecretText } from '@cruvero/core';
import type { Clock, CredentialProvider, Log, Random } from '@cruvero/ports';

/** What the adapters say of a text; given, since a service knows no adapter. */
export interface ProviderReaders<Path, Names> {
  /** `hasDynamic`: secrets are also made by engines beside the one that is named. */
  readonly vaultPath: (text: string, hasDynamic: boolean) => Path | { readonly problem: string };
  readonly environmentNames: (items: readonly string[]) => Names | { readonly problem: string };
  readonly fileKey: (text: string) => Uint8Array | undefined;
}

export type VaultLogin =
  | { readonly kind: 'token'; readonly token: SecretText }
  | {
      readonly kind: 'approle';
      readonly mount: string;
      readonly roleId: string;
      readonly secretId: SecretText;
    }
  | { readonly kind: 'kubernetes'; readonly mount: string; readonly role: string; readonly jwtFile: string };

export interface VaultSettings<Path> {
  readonly address: string;
  readonly login: VaultLogin;
  readonly authNamespace: string;
  readonly path: Path;
  readonly namespaces: 'auto' | 'yes' | 'no';
  readonly kvVersion: 'auto' | '1' | '2';
  readonly dynamic: ReadonlyMap<Integration, string>;
  readonly timeoutMs: number;
  readonly caFile: string | undefined;
}

export interface ProviderSettings<Path, Names> {
  readonly vault: VaultSettings<Path> | undefined;
  /** Absent where no path is given. */
  readonly file:
    { readonly path: string; readonly key: Uint8Array | undefined; readonly keyFile: string } | undefined;
  readonly environment: Names;
}

export function providerSettings<Path extends object, Names extends object>(
  read: Reader,
  readers: ProviderReaders<Path, Names>,
  defaultFile: string | undefined,
): ProviderSettings<Path, Names> {
  return {
    vault: vaultSettings(read, readers),
    file: fileSettings(read, readers, defaultFile),
    environment: environmentSetting(read, readers),
  };
}

function problemOf(value: object): string | undefined {
  return 'problem' in value && typeof value.problem === 'string' ? value.problem : undefined;
}

function vaultSettings<Path extends object, Names>(
  read: Reader,
  { vaultPath }: ProviderReaders<Path, Names>,
): VaultSettings<Path> | undefined {
  const isEnabled = read.boolean('CRUVERO_MCP_VAULT_ENABLED', {
    orElse: false,
    help: 'Takes credentials from Vault, before all other places.',
  });
  const pathName = 'CRUVERO_MCP_VAULT_PATH';
  const pathText = read.text(pathName, {
    orElse: 'admin/tenant-{id}/kv',
    help: "Where a tenant's secrets are: namespace and mount, {id} being the tenant. Where Vault has no namespaces it is the mount.",
  });
  const settings = {
    address: read.url('CRUVERO_MCP_VAULT_ADDR', {
      orElse: 'http://127.0.0.1:8200',
      protocols: ['https', 'http'],
      help: 'Where Vault is.',
    }),
    login: vaultLogin(read, isEnabled),
    authNamespace:
      read.optionalText('CRUVERO_MCP_VAULT_AUTH_NAMESPACE', {
        help: 'Namespace in which the broker logs in. Without it: the root.',
      }) ?? '',
    ...vaultShape(read),
    timeoutMs: read.durationMs('CRUVERO_MCP_VAULT_TIMEOUT', {
      orElse: 5_000,
      min: 100,
      max: 60_000,
      help: 'For one answer of Vault.',
    }),
    caFile: read.optionalText('CRUVERO_MCP_VAULT_CA_FILE', {
      help: 'PEM file of the authorities that Vault is trusted by. Without it: those of the system.',
    }),
  };
  const path = vaultPath(pathText, settings.dynamic.size > 0);
  const problem = problemOf(path);
  if (problem !== undefined) read.refuse(pathName, problem);
  return isEnabled ? { ...settings, path: path as Path } : undefined;
}

function vaultShape(read: Reader) {
  return {
    namespaces: read.oneOf('CRUVERO_MCP_VAULT_NAMESPACES', ['auto', 'yes', 'no'], {
      orElse: 'auto',
      help: 'Whether Vault has namespaces; auto asks it.',
    }),
    kvVersion: read.oneOf('CRUVERO_MCP_VAULT_KV_VERSION', ['auto', '1', '2'], {
      orElse: 'auto',
      help: 'Version of the key-value engines; auto asks Vault.',
    }),
    dynamic: dynamicSetting(read),
  };
}

function readDynamic(item: string): readonly [Integration, string] | undefined {
  const [, name, path] = /^([^=]+)=([A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)+)$/.exec(item) ?? [];
  const integration = readIntegration(name);
  return integration === undefined || path === undefined ? undefined : [integration, path];
}

function dynamicSetting(read: Reader): ReadonlyMap<Integration, string> {
  const items = read.list('CRUVERO_MCP_VAULT_DYNAMIC', {
    orElse: [],
    refuseItem: (item) =>
      readDynamic(item) ? undefined : 'must be integration=path, such as warehouse=database/creds/reader',
    help: "Integrations whose secret Vault makes on demand, by an engine beside the tenant's key-value one: warehouse=database/creds/reader.",
  });
  return new Map(items.map(readDynamic).filter((item) => item !== undefined));
}

function vaultLogin(read: Reader, isEnabled: boolean): VaultLogin {
  const kind = read.oneOf('CRUVERO_MCP_VAULT_AUTH', ['token', 'approle', 'kubernetes'], {
    orElse: 'token',
    help: 'How the broker proves to Vault who it is.',
  });
  const mount =
    read.optionalText('CRUVERO_MCP_VAULT_AUTH_MOUNT', {
      help: 'Where that way to log in is mounted. Without it: approle or kubernetes.',
    }) ?? kind;
  if (!/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/.test(mount))
    read.refuse('CRUVERO_MCP_VAULT_AUTH_MOUNT', 'must be names of letters, digits, - and _');
  const secretOf = (name: string, forKind: string, help: string): SecretText => {
    const secret = read.secret(name, { optional: true, help });
    if (isEnabled && kind === forKind && secret === undefined)
      read.refuse(name, `is not set, and CRUVERO_MCP_VAULT_AUTH=${kind} needs it`);
    return new SecretText((secret ?? new Secret('')).reveal());
  };
  const token = secretOf(
    'CRUVERO_MCP_VAULT_TOKEN',
    'token',
    'Token of the broker, for CRUVERO_MCP_VAULT_AUTH=token.',
  );
  const secretId = secretOf('CRUVERO_MCP_VAULT_SECRET_ID', 'approle', 'Secret id of the AppRole.');
  const roleId = read.optionalText('CRUVERO_MCP_VAULT_ROLE_ID', { help: 'Role id of the AppRole.' }) ?? '';
  const role = read.text('CRUVERO_MCP_VAULT_KUBERNETES_ROLE', {
    orElse: 'cruvero-credential-broker',
    help: 'Role for CRUVERO_MCP_VAULT_AUTH=kubernetes.',
  });
  const jwtFile = read.text('CRUVERO_MCP_VAULT_KUBERNETES_TOKEN_FILE', {
    orElse: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    help: "The service account's token, read at each login.",
  });
  if (isEnabled && kind === 'approle' && roleId === '')
    read.refuse('CRUVERO_MCP_VAULT_ROLE_ID', 'is not set, and CRUVERO_MCP_VAULT_AUTH=approle needs it');
  if (kind === 'token') return { kind, token };
  return kind === 'approle' ? { kind, mount, roleId, secretId } : { kind, mount, role, jwtFile };
}

function fileSettings<Path, Names>(
  read: Reader,
  { fileKey }: ProviderReaders<Path, Names>,
  defaultFile: string | undefined,
): ProviderSettings<Path, Names>['file'] {
  const path =
    read.optionalText('CRUVERO_CREDENTIAL_FILE', {
      help: 'Encrypted file of secrets, for machines without Vault. In the embedded layout it is in CRUVERO_DATA_DIR unless said otherwise.',
    }) ?? defaultFile;
  const keyName = 'CRUVERO_CREDENTIAL_FILE_KEY';
  const text = read.secret(keyName, {
    optional: true,
    help: 'Key of that file: 32 bytes in base64. Without it the key is in a file beside it, <file>.key, made at first start.',
  });
  const key = text && fileKey(text.reveal());
  if (text && !key) read.refuse(keyName, 'must be 32 bytes in base64');
  return path === undefined ? undefined : { path, key, keyFile: `${path}.key` };
}

function environmentSetting<Path, Names extends object>(
  read: Reader,
  { environmentNames }: ProviderReaders<Path, Names>,
): Names {
  const name = 'CRUVERO_CREDENTIAL_ENV';
  const names = environmentNames(
    read.list(name, {
      orElse: [],
      help: 'Variables that are secrets: acme/github.token=GITHUB_TOKEN, comma-separated. Asked last.',
    }),
  );
  const problem = problemOf(names);
  if (problem !== undefined) read.refuse(name, problem);
  return names as Names;
}

/** How the adapters are opened; given by the app. */
export interface ProviderMakers<Path, Names> {
  readonly vault: (settings: VaultSettings<Path>, parts: ProviderParts) => Promise<CredentialProvider>;
  readonly file: (path: string, key: Uint8Array) => CredentialProvider;
  readonly fileKeyAt: (path: string) => Promise<Uint8Array>;
  readonly environment: (names: Names, env: Env) => CredentialProvider;
}

export interface ProviderParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly env: Env;
}

/** In the order in which they are asked; what is opened here is closed by its owner. */
export async function openProviders<Path, Names>(
  settings: ProviderSettings<Path, Names>,
  makers: ProviderMakers<Path, Names>,
  parts: ProviderParts,
): Promise<readonly CredentialProvider[]> {
  const providers: CredentialProvider[] = [];
  if (settings.vault) providers.push(await makers.vault(settings.vault, parts));
  if (settings.file) {
    const { path, key, keyFile } = settings.file;
    providers.push(makers.file(path, key ?? (await makers.fileKeyAt(keyFile))));
  }
  return [...providers, makers.environment(settings.environment, parts.env)];
}
