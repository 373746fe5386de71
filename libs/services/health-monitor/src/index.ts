/** Who lives, who is stale and who is gone, said on the bus. */

export { healthMonitorConfig, type HealthMonitorConfig } from './config.ts';
export {
  startHealthMonitor,
  type HealthMonitor,
  type HealthMonitorPorts,
  type InstanceVerdict,
} from './monitor.ts';
