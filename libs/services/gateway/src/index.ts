/** The data plane: one MCP endpoint over all servers, in both eras. */

export type { GatewayConfig } from './config.ts';
export {
  describeGatewaySettings,
  gatewayVersion,
  readGatewaySettings,
  type GatewaySettings,
} from './read-config.ts';
export { startGateway, type Gateway, type GatewayPorts } from './start.ts';
