/** The registry: control plane of the fleet. */

export { registryConfig, type DiscoveryMode, type RegistryConfig } from './config.ts';
export type { FirstKeys } from './first-start.ts';
export { startRegistry, type Registry, type RegistryModules } from './registry.ts';
