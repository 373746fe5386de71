/** opossum under types of our own, which stand in breaker.d.mts: the package brings none. */

export { default as CircuitBreaker } from 'opossum';
