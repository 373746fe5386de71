/** The chassis of every program: config, lifetime, logs, time, health and the three status paths. */

export {
  ConfigRefused,
  createReader,
  describeConfig,
  isProblems,
  orRefuse,
  readConfig,
} from './config-reader.ts';
export type { Described, Env, ListRule, Needed, Optional, Problem, Reader, Reading } from './config-types.ts';
export {
  parseBytes,
  parseDurationMs,
  parseHostPort,
  showBytes,
  showDurationMs,
  showHostPort,
  isRefusal,
  type HostPort,
  type Range,
  type Refusal,
  type UrlRule,
} from './config-values.ts';
export { didYouMean, type Misspelling } from './did-you-mean.ts';
export { errorSentence } from './error-sentence.ts';
export {
  askerSettings,
  natsUrlSetting,
  subjectPrefixSetting,
  tenantSetting,
  type AskerSettings,
} from './fleet-settings.ts';
export { Health, type Check, type CheckResult, type Readiness } from './health.ts';
export {
  hostAllowed,
  isLoopbackHost,
  originAllowed,
  refuseHostEntry,
  refuseOriginEntry,
  soleHeader,
  type AllowedNames,
} from './host-check.ts';
export {
  exitCodes,
  runMain,
  untilAborted,
  untilSignal,
  type Main,
  type ProcessLike,
  type RunOptions,
} from './lifecycle.ts';
export { createLog, type LogDestination, type LogFormat, type LogLevel, type LogOptions } from './log.ts';
export { isSecretName, redacted, redactFields, redactText } from './redact.ts';
export { Secret } from './secret.ts';
export {
  statusEndpoint,
  statusReply,
  type StatusEndpointOptions,
  type StatusOptions,
  type StatusReply,
} from './status-endpoint.ts';
export { systemClock, systemRandom } from './system-clock.ts';
export { describeTelemetryConfig, telemetryConfig, type TelemetryConfig } from './telemetry-config.ts';
