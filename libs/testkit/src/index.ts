/** What tests stand on: a clock that waits, telemetry that can be read, fixture servers, faulty neighbours. */

export * from './memory-telemetry.ts';
export * from './sim-clock.ts';
