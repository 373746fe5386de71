/** What services say to each other: subjects, payloads, REST shapes. */

export * from './config-payloads.ts';
export * from './decode.ts';
export * from './lifecycle.ts';
export * from './subjects.ts';
