/** A virtual server as it is written down: the same shape and rules in REST, in cruvero.json and on the wire. */

import {
  nameStyles,
  readServerName,
  safeNamePattern,
  serverNamePattern,
  type NameStyle,
  type VirtualDefinition,
  type VirtualMember,
} from '@cruvero/core';
import { z } from 'zod';

export const virtualMembersMax = 256;
export const virtualAliasesMax = 1_000;
/** Names and patterns of all members together. */
export const virtualNamesMax = 5_000;

const serverName = z.string().regex(serverNamePattern, 'must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots)');
/** A tool or prompt at its server: any text that a server may come up with. */
const ownName = z.string().min(1).max(512);
const names = z.array(ownName).max(virtualNamesMax);
const exposed = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be 1 to 128 letters, digits, _, . or - to be a name');

const memberShape = {
  server: serverName,
  tools: names.optional(),
  prompts: names.optional(),
  resources: z.boolean().optional(),
  aliases: z.record(ownName, exposed).optional(),
};
const fieldsWith = <Member extends z.ZodType>(member: Member) => ({
  description: z.string().max(2_000).optional(),
  instructions: z.string().max(32_768).optional(),
  names: z.enum(nameStyles as [NameStyle, ...NameStyle[]]).default('bare'),
  members: z.array(member).min(1).max(virtualMembersMax),
});
type Fields = z.output<z.ZodObject<ReturnType<typeof fieldsWith<z.ZodObject<typeof memberShape>>>>>;

/** What no single field can tell. */
function wholeProblems({
  names: style,
  members,
}: Fields): readonly { path: PropertyKey[]; message: string }[] {
  const problems: { path: PropertyKey[]; message: string }[] = [];
  let aliasCount = 0;
  let nameCount = 0;
  for (const [at, { tools, prompts, aliases }] of members.entries()) {
    const given = Object.values(aliases ?? {});
    aliasCount += given.length;
    nameCount += (tools?.length ?? 0) + (prompts?.length ?? 0);
    const path = ['members', at, 'aliases'];
    if (new Set(given).size < given.length) problems.push({ path, message: 'give one name to two things' });
    if (style === 'safe' && !given.every((alias) => safeNamePattern.test(alias)))
      problems.push({ path, message: 'must match ^[A-Za-z0-9_-]{1,64}$ where names are safe' });
  }
  if (aliasCount > virtualAliasesMax)
    problems.push({ path: ['members'], message: `hold more than ${virtualAliasesMax} aliases` });
  if (nameCount > virtualNamesMax)
    problems.push({
      path: ['members'],
      message: `hold more than ${virtualNamesMax} names of tools and prompts`,
    });
  return problems;
}

const checked = <Schema extends z.ZodType<Fields>>(schema: Schema): Schema =>
  schema.superRefine((fields, context) => {
    for (const { path, message } of wholeProblems(fields))
      context.addIssue({ code: 'custom', path, message });
  });

const strictFields = fieldsWith(z.strictObject(memberShape));
/** REST, and entries of the file: a misspelt field is an error, not a wish that nobody hears. */
export const virtualPutSchema = checked(z.strictObject(strictFields));
export const virtualPostSchema = checked(
  z.strictObject({
    name: serverName,
    tenant_id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'must be 1 to 63 letters, digits, - or _')
      .optional(),
    ...strictFields,
  }),
);

/** On the wire: unknown fields pass. */
export const virtualWireSchema = z.looseObject({
  tenant_id: z.string(),
  name: serverName,
  ...fieldsWith(z.looseObject(memberShape)),
});

export type VirtualPut = z.output<typeof virtualPutSchema>;
export type VirtualWire = z.output<typeof virtualWireSchema>;

/** The definition under this name; the fields were checked by one of the schemas. Undefined where the name is none. */
export function virtualDefinition(name: string, fields: Fields): VirtualDefinition | undefined {
  const checkedName = readServerName(name);
  if (checkedName === undefined) return undefined;
  return {
    name: checkedName,
    ...(fields.description === undefined ? {} : { description: fields.description }),
    ...(fields.instructions === undefined ? {} : { instructions: fields.instructions }),
    names: fields.names,
    members: fields.members.flatMap(memberOf),
  };
}

function memberOf(member: Fields['members'][number]): readonly VirtualMember[] {
  const server = readServerName(member.server);
  if (server === undefined) return [];
  const { tools, prompts, resources, aliases } = member;
  return [
    {
      server,
      ...(tools === undefined ? {} : { tools }),
      ...(prompts === undefined ? {} : { prompts }),
      ...(resources === undefined ? {} : { resources }),
      ...(aliases === undefined ? {} : { aliases }),
    },
  ];
}

/** The other way round: fields as REST and the wire show them. */
export function virtualFields(definition: VirtualDefinition): Fields {
  const { description, instructions, names: style, members } = definition;
  return {
    ...(description === undefined ? {} : { description }),
    ...(instructions === undefined ? {} : { instructions }),
    names: style,
    members: members.map(({ server, tools, prompts, resources, aliases }) => ({
      server,
      ...(tools === undefined ? {} : { tools: [...tools] }),
      ...(prompts === undefined ? {} : { prompts: [...prompts] }),
      ...(resources === undefined ? {} : { resources }),
      ...(aliases === undefined ? {} : { aliases: { ...aliases } }),
    })),
  };
}

/** As REST shows it. */
export const virtualViewSchema = z.object({
  tenant_id: z.string(),
  name: serverName,
  ...fieldsWith(z.object(memberShape)),
  /** `file`: kept in the configuration file, and changed only there. */
  source: z.enum(['api', 'file']),
  /** Members that nobody has registered (yet); in the answer for one virtual server only. */
  unknown_servers: z.array(z.string()).optional(),
  /** RFC 3339. */
  created_at: z.string(),
  updated_at: z.string(),
});
export const virtualListSchema = z.object({ items: z.array(virtualViewSchema), total: z.number().int() });
export type VirtualView = z.output<typeof virtualViewSchema>;
