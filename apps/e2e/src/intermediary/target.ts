/** What the suite knows of the gateway that it looks at: URLs, headers, and how its servers are called there. */

/** The servers that the suite plays, each in one era behind one transport. */
export const serverKinds = ['modern', 'legacy', 'sse', 'stdio-modern', 'stdio-legacy'] as const;
export type ServerKind = (typeof serverKinds)[number];

export const serverEra = (kind: ServerKind): 'modern' | 'legacy' =>
  kind === 'modern' || kind === 'stdio-modern' ? 'modern' : 'legacy';

/** Header lines that say who calls. Empty where the gateway asks nobody. */
export type Credentials = Readonly<Record<string, string>>;

export interface Restricted {
  readonly credentials: Credentials;
  /** A tool of every server that this principal must neither see nor call. */
  readonly hiddenTool: string;
}

export interface Aggregate {
  readonly url: (origin: string) => string;
  /** How a tool or a prompt of a server is called there. */
  readonly name: (server: string, own: string) => string;
}

export interface Target {
  /** Origins of one or two replicas of the same gateway. */
  readonly origins: readonly string[];
  /** The endpoint of one server, under the server's own names. */
  readonly door: (origin: string, server: string) => string;
  readonly aggregate?: Aggregate;
  /** Names that the suite's servers have at the gateway; those left out are not looked at. */
  readonly servers: Readonly<Partial<Record<ServerKind, string>>>;
  readonly owner: Credentials;
  /** Another principal of the same rights. */
  readonly other?: Credentials;
  readonly restricted?: Restricted;
  /** How long a modern caller may take to answer what a server asked; long ones are not waited for. */
  readonly questionMs?: number;
  /** Ends the first replica as a crash does; it is not needed again. */
  readonly killFirst?: () => Promise<void>;
}

/** What a check may need and a target may lack, in the words of the table. */
export type Need =
  | 'second replica'
  | 'kill'
  | 'second principal'
  | 'restricted principal'
  | 'aggregate'
  | 'short expiry'
  | ServerKind;

/** Longer than this no check waits for an expiry. */
const expiryMsMax = 10_000;

export function has(target: Target, need: Need): boolean {
  switch (need) {
    case 'second replica':
      return target.origins.length > 1;
    case 'kill':
      return target.killFirst !== undefined && target.origins.length > 1;
    case 'second principal':
      return target.other !== undefined;
    case 'restricted principal':
      return target.restricted !== undefined;
    case 'aggregate':
      return target.aggregate !== undefined;
    case 'short expiry':
      return target.questionMs !== undefined && target.questionMs <= expiryMsMax;
    default:
      return target.servers[need] !== undefined;
  }
}
