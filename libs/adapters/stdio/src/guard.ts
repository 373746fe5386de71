/** The shell line under which each child runs, so that it and all that it started end when this process dies. */

/**
 * Standard shell, no other program needed. A watcher waits on descriptor 3, a socket whose other end this process
 * holds: the kernel closes it however this process ends, `kill -9` too. The watcher then asks the group to end, waits at
 * most two seconds, kills who left the group by the mark in its environment (Linux), then the group with itself. The
 * shell itself becomes the command, so pid, signals, exit code and pipes are the command's own.
 *
 * The watcher lets go of the child's pipes: otherwise their end would not be seen while it lives.
 */
export const guardScript = `
mark=$1; shift
{
  trap '' TERM INT HUP
  read -r _ <&3
  kill -TERM 0
  n=0
  while [ "$n" -lt 20 ] && kill -0 "$$"; do
    sleep 0.1 || break
    n=$((n + 1))
  done
  for e in /proc/[0-9]*/environ; do
    if grep -qs "CRUVERO_CHILD=$mark" "$e"; then
      p=\${e#/proc/}
      kill -KILL "\${p%/*}"
    fi
  done
  kill -KILL 0
} </dev/null >/dev/null 2>&1 &
exec 3<&-
CRUVERO_CHILD=$mark
export CRUVERO_CHILD
exec "$@"
`;

export const guardShell = '/bin/sh';
export const markName = 'CRUVERO_CHILD';

/** Arguments for the shell. The command and its arguments are positional: nothing in them is read as shell. */
export function guardArgs(mark: string, path: string, args: readonly string[]): string[] {
  return ['-c', guardScript, 'cruvero-guard', mark, path, ...args];
}
