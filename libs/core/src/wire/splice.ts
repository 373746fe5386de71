/** Changes few places of a text and keeps the rest to the letter. */

import { isJsonProblem, objectMembers, type Members, type Span } from './json-spans.ts';

export interface Edit {
  readonly span: Span;
  readonly text: string;
}

/** Applies edits that do not overlap, in any order. */
export function splice(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const sorted = edits.length === 1 ? edits : [...edits].sort((a, b) => a.span.start - b.span.start);
  let out = '';
  let at = 0;
  for (const { span, text: replacement } of sorted) {
    out += text.slice(at, span.start) + replacement;
    at = span.end;
  }
  return out + text.slice(at);
}

/** Changes of an object's members: text to put there, or undefined to take the member out. */
export type MemberChanges = Readonly<Record<string, string | undefined>>;

/**
 * The object text with members set or taken out. Members that stay keep their place and spelling; new ones go to the
 * front, where a reader of the stream sees them first. `objectText` must be one whole object; space may stand before it.
 */
export function changeMembers(objectText: string, changes: MemberChanges): string {
  return /^\s/.test(objectText)
    ? changeMembersAtStart(objectText.trimStart(), changes)
    : changeMembersAtStart(objectText, changes);
}

function changeMembersAtStart(objectText: string, changes: MemberChanges): string {
  const members = objectMembers(objectText, 0);
  if (isJsonProblem(members)) throw new Error(`changeMembers needs an object: ${members.problem}`);
  return changeKnownMembers(objectText, members, changes);
}

/** The same where it is known already what stands where in the text, which begins with its brace. */
export function changeKnownMembers(objectText: string, members: Members, changes: MemberChanges): string {
  const names = Object.keys(changes);
  if (names.every((name) => changes[name] === undefined && !members.has(name))) return objectText;
  const removed = names.some((name) => changes[name] === undefined && members.has(name));
  return removed ? rebuild(objectText, members, changes) : edit(objectText, members, changes);
}

function edit(objectText: string, members: Members, changes: MemberChanges): string {
  const edits: Edit[] = [];
  let added = '';
  for (const [name, text] of Object.entries(changes)) {
    if (text === undefined) continue;
    const span = members.get(name);
    if (span) edits.push({ span, text });
    else added += `${JSON.stringify(name)}:${text},`;
  }
  if (added !== '') {
    const front = added.slice(0, members.size === 0 ? -1 : undefined);
    edits.push({ span: { start: 1, end: 1 }, text: front });
  }
  return splice(objectText, edits);
}

function rebuild(objectText: string, members: Members, changes: MemberChanges): string {
  const parts: string[] = [];
  for (const [name, text] of Object.entries(changes)) {
    if (text !== undefined && !members.has(name)) parts.push(`${JSON.stringify(name)}:${text}`);
  }
  for (const [name, span] of members) {
    // A member may be called as something that every object has from its prototype, `constructor` for one.
    const text = Object.hasOwn(changes, name) ? changes[name] : objectText.slice(span.start, span.end);
    if (text !== undefined) parts.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${parts.join(',')}}`;
}
