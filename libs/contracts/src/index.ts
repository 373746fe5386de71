/** What services say to each other: subjects, payloads, REST shapes. */

export * from './capabilities-hash.ts';
export * from './config-body.ts';
export * from './chunks.ts';
export * from './config-payloads.ts';
export * from './credential-messages.ts';
export * from './credential-seal.ts';
export * from './credential-use.ts';
export * from './decode.ts';
export * from './lifecycle.ts';
export * from './lifecycle-event.ts';
export * from './mcp-servers-file.ts';
export * from './registry-rest.ts';
export * from './subjects.ts';
export * from './virtual-servers.ts';
export * from './virtual-servers-file.ts';
