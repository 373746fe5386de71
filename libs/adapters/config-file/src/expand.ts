/** `${NAME}` and `${NAME:-otherwise}` in values of the file: the file names a secret, the environment holds it. */

export type Environment = Readonly<Record<string, string | undefined>>;

export type Expanded = { readonly text: string } | { readonly missing: string };

const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** What is put in is not looked at again. */
export function expand(value: string, env: Environment): Expanded {
  let missing: string | undefined;
  const text = value.replace(reference, (_whole, name: string, otherwise: string | undefined) => {
    const given = (Object.hasOwn(env, name) ? env[name] : undefined) ?? otherwise;
    if (given === undefined) missing ??= name;
    return given ?? '';
  });
  return missing === undefined ? { text } : { missing };
}
