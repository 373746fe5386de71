/** The face of core: pure rules, no IO, no clock, no promise. Inside core, import the file. */

export * from './model/fault.ts';
export * from './model/ids.ts';
export * from './model/json.ts';
export * from './model/policy.ts';
export * from './model/principal.ts';
export * from './model/server.ts';
export * from './model/snapshot.ts';
export * from './wire/header-value.ts';
export * from './wire/json-spans.ts';
export * from './wire/splice.ts';
export * from './wire/sse.ts';
