/**
 * What tests stand on: a clock that waits, telemetry that can be read, fixture servers, faulty neighbours.
 */

export * from './conformance/server.ts';
export * from './conformance/stdio-programs.ts';
export * from './fixtures/catalogue.ts';
export * from './fixtures/fixture-server.ts';
export * from './fixtures/hostile-kinds.ts';
export * from './fixtures/hostile-server.ts';
export * from './fixtures/http-host.ts';
export * from './fixtures/legacy-server.ts';
export * from './fixtures/modern-server.ts';
export * from './fixtures/scripted-peers.ts';
export * from './fixtures/stdio-programs.ts';
export * from './fixtures/tools.ts';
export * from './http-probe.ts';
export * from './memory-telemetry.ts';
export * from './sim-clock.ts';
export * from './vault/server.ts';
