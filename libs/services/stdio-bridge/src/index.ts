/** The stdio-bridge service. */

export { defaultBridgeBounds, type BridgeBounds } from './bounds.ts';
export {
  startStdioBridge,
  type InstanceLine,
  type StdioBridge,
  type StdioBridgeConfig,
  type StdioBridgeParts,
} from './bridge.ts';
export {
  ownChildrenName,
  ownChildrenRange,
  ownChildrenSetting,
  stdioBridgeSettings,
  type StdioBridgeSettings,
} from './read-config.ts';
export { defaultSupervision, type SupervisionPolicy } from './supervision.ts';
