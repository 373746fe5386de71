/** The command line of mcp-announce: its flags, and a help that shows how it is used. */

import { Command, CommanderError } from 'commander';
import type { Flags } from './options.ts';

/** Flags and command, or what to print and the exit code to end with. */
export type CommandLine =
  | { readonly flags: Flags; readonly command: readonly string[] }
  | { readonly print: string; readonly exitCode: 0 | 64 };

const description = [
  'Announces an MCP server to Cruvero, so that its tools appear behind the gateway as mcp.<server>.<tool>.',
  'It asks the server for its tools, says on NATS that the server is there, and then sends heartbeats for as long as the ' +
    'server answers. When the server stops answering the heartbeats stop, and the platform takes it out; when it is back, ' +
    'so are they. On SIGINT or SIGTERM the server is deregistered at once.',
].join('\n\n');

const examples = `
Examples:
  An HTTP server that runs already:
    mcp-announce --server weather --transport http --endpoint http://localhost:8089/mcp --heartbeat 30s

  A stdio server: it is run, served over HTTP on a free port, and restarted when it dies:
    mcp-announce --server local-tools --transport stdio --heartbeat 15s -- ./bin/local-mcp-server --mode prod

  An old HTTP+SSE server, seen by gateways under another address than from here:
    mcp-announce --server legacy --transport sse --endpoint http://localhost:3001/sse --public-url https://legacy.example.com/sse

  Beside npm start, which needs no NATS (the admin key was shown at its first start):
    CRUVERO_ADMIN_API_KEY=crv_... mcp-announce --gateway http://127.0.0.1:8080 --server weather --endpoint http://localhost:8089/mcp

  Beside a container, for one team, two thirds of the calls:
    mcp-announce --server search --endpoint http://127.0.0.1:9000/mcp --public-url http://search-1:9000/mcp \\
      --tenant research --tag gpu --weight 200

Environment:
  CRUVERO_NATS_URL                NATS server; the place for a URL with a password, which every user sees in a command line
  CRUVERO_MCP_GATEWAY_URL         what --gateway says, where no NATS is named
  CRUVERO_ADMIN_API_KEY           key with the scope admin, for --gateway
  CRUVERO_EVENTS_SUBJECT_PREFIX   first part of the subjects
  CRUVERO_MCP_HEARTBEAT_INTERVAL  time between heartbeats
  CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX  stdio only: processes of the command for clients that it can ask (default 8)
  CRUVERO_LOG_LEVEL               debug shows what NATS and HTTP do

A stdio command gets the environment of this program, without the variables that begin with CRUVERO_.

It prints one line, "announced <server> <instance> <n> tools", once the announcement is stored. All else goes to standard
error. It ends with 0 after a signal or with --once, with 64 for a wrong command line, with 1 when the command cannot run.
`;

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function program(): Command {
  return new Command('mcp-announce')
    .description(description)
    .usage(
      '--server <name> [--transport http|sse] --endpoint <url> [options]\n       mcp-announce --server <name> [options] -- <command> [args...]',
    )
    .option('--server <name>', 'name of the server: a-z 0-9 _ -, no dots (required)')
    .option('--nats-url <url>', 'NATS server (default: CRUVERO_NATS_URL or nats://localhost:4222)')
    .option(
      '--gateway <url>',
      'announce to the gateway itself, where there is no NATS (key: CRUVERO_ADMIN_API_KEY)',
    )
    .option('--transport <kind>', 'stdio, http or sse (default: http with --endpoint, stdio with a command)')
    .option('--endpoint <url>', 'where the server listens (required for http and sse)')
    .option('--heartbeat <duration>', 'time between heartbeats, above 0: 500ms, 30s, 5m (default: 30s)')
    .option(
      '--prefix <prefix>',
      'first part of the subjects (default: CRUVERO_EVENTS_SUBJECT_PREFIX or cruvero)',
    )
    .option('--instance-id <id>', 'name of this running copy (default: made from host name and endpoint)')
    .option('--tenant <id>', 'whose server it is (default: the tenant of the registry)')
    .option('--version-label <text>', "version to announce (default: the server's own word)")
    .option('--tag <text>', 'a label for selecting instances; may be repeated', collect)
    .option('--weight <n>', 'share of calls among the instances of the server, 1 to 1000')
    .option('--bind <host:port>', 'stdio only: where the command is served over HTTP (default: 127.0.0.1:0)')
    .option(
      '--public-url <url>',
      'how gateways reach it, where that differs; for stdio the address of --bind from outside',
    )
    .option('--once', 'announce and end, without heartbeats: the server is then judged by probes only')
    .helpOption('--help', 'show this')
    .helpCommand(false)
    .allowExcessArguments(false)
    .exitOverride()
    .addHelpText('after', examples);
}

/** `args` as behind the program's name; everything after the first `--` is the command to run. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const cut = args.indexOf('--');
  const own = cut < 0 ? args : args.slice(0, cut);
  const command = cut < 0 ? [] : args.slice(cut + 1);
  let printed = '';
  const print = (text: string): void => void (printed += text);
  const parser = program().configureOutput({ writeOut: print, writeErr: print });
  try {
    parser.parse([...own], { from: 'user' });
    return { flags: parser.opts<Flags>(), command };
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return { print: printed, exitCode: 0 };
    return { print: sentence(printed), exitCode: 64 };
  }
}

/** The parser writes `error: unknown option '--sever'` and a suggestion on the next line. */
function sentence(printed: string): string {
  const text = printed
    .trim()
    .replace(/^error: /, '')
    .replace(/\n+/g, ' ');
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return `${/[.)?]$/.test(words) ? words : `${words}.`} See mcp-announce --help.\n`;
}
