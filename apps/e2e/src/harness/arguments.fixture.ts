/** Arguments for a tool, generated from its input schema. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import fc from 'fast-check';

/** Any value that the schema of one property allows; undefined where this file does not know its kind. */
function valueOf(schema: JsonObject): fc.Arbitrary<Json> | undefined {
  const allowed = schema['enum'];
  if (Array.isArray(allowed)) return fc.constantFrom(...(allowed as readonly Json[]));
  switch (schema['type']) {
    case 'string':
      return fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('"}],"id":1,"method":"ping"'));
    case 'number':
    case 'integer':
      return numberOf(schema);
    case 'boolean':
      return fc.boolean();
    default:
      return undefined;
  }
}

function numberOf(schema: JsonObject): fc.Arbitrary<number> {
  const bound = (name: string, orElse: number): number =>
    typeof schema[name] === 'number' ? schema[name] : orElse;
  const range = { min: bound('minimum', -1e9), max: bound('maximum', 1e9) };
  const whole = fc.integer(range);
  // JSON knows no minus zero.
  const any = fc.double({ ...range, noNaN: true }).map((value) => (value === 0 ? 0 : value));
  return schema['type'] === 'integer' ? whole : fc.oneof(whole, any);
}

/** Objects that fit the schema, optional members sometimes absent; undefined where a required member cannot be generated. */
export function argumentsOf(inputSchema: Json | undefined): fc.Arbitrary<JsonObject> | undefined {
  if (!isJsonObject(inputSchema)) return undefined;
  const properties = isJsonObject(inputSchema['properties']) ? inputSchema['properties'] : {};
  const required = Array.isArray(inputSchema['required']) ? (inputSchema['required'] as readonly Json[]) : [];
  const members: Record<string, fc.Arbitrary<Json>> = {};
  for (const [name, schema] of Object.entries(properties)) {
    const value = isJsonObject(schema) ? valueOf(schema) : undefined;
    if (value) members[name] = value;
    else if (required.includes(name)) return undefined;
  }
  return fc.record(members, {
    requiredKeys: required.filter((name): name is string => typeof name === 'string'),
  });
}
