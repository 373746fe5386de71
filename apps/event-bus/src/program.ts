/** The command line: what can be said, and what it means. */

import { randomUUID } from 'node:crypto';

import type { NatsAdmin } from '@cruvero/adapter-nats';
import { natsAdmin, readNatsUrl } from '@cruvero/adapter-nats';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import type { Exit, Terminal } from './commands.ts';
import { consumers, exits, publish, purge, status, streams, subscribe } from './commands.ts';
import type { Format } from './render.ts';

const defaultUrl = 'nats://localhost:4222';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: (format: Format) => Terminal;
  /** Everything on standard input, for `publish <subject> -`. */
  readonly input: () => Promise<string>;
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
}

interface GlobalOptions {
  readonly natsUrl?: string;
  readonly format: Format;
}

const examples = `
Examples:
  event-bus status                                     is the server there, and how full is it
  event-bus streams                                    what is stored, how much, for how long
  event-bus consumers CRUVERO_MCP                      who reads it, and how far behind
  event-bus subscribe 'cruvero.mcp.>'                  announcements, heartbeats, deregistrations as they come
  event-bus subscribe 'mcpgw.*.events.>' --format json | jq .body
                                                       what gateways say; event types hold dots, so end with >
  event-bus publish cruvero.events.note '{"text":"hello"}'
  event-bus publish cruvero.mcp.deregister --stored - < event.json
                                                       acknowledged by the stream before it returns
  event-bus purge CRUVERO_MCP --yes                    empty a stream

Quote subjects: the shell would read * and > itself. Data goes to standard output, messages to standard error.
Exit codes: 0 done, 1 refused or not reachable, 2 wrong use.
A URL with a password belongs into CRUVERO_NATS_URL: arguments are seen by everybody on the machine.
`;

/** Runs one command line; resolves with the exit code and never rejects for what a user can do. */
export async function run(args: readonly string[], around: Surroundings): Promise<Exit> {
  let exit: Exit = exits.ok;
  const program = build(around, (code) => (exit = code));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exits.ok : exits.usage;
  }
}

function build(around: Surroundings, end: (code: Exit) => void): Command {
  const program = new Command('event-bus')
    .description(
      'Looks into the event bus (NATS) of Cruvero MCP: what is stored, who reads it, what passes by.',
    )
    .option('--nats-url <url>', `NATS server (env: CRUVERO_NATS_URL, default: ${defaultUrl})`)
    .addOption(
      new Option('--format <format>', 'how data is printed').choices(['table', 'json']).default('table'),
    )
    .addHelpText('after', examples)
    .showHelpAfterError('(event-bus --help shows what can be said)')
    .exitOverride()
    .configureOutput({ writeOut: around.print, writeErr: around.printError });

  /** Connects, runs, disconnects. */
  const on = (work: (admin: NatsAdmin, terminal: Terminal) => Promise<Exit>) => async () => {
    const { natsUrl, format } = program.opts<GlobalOptions>();
    end(await connected(natsUrl, around, around.terminal(format), work));
  };

  program
    .command('status')
    .description('the server: version, round trip, JetStream, what is stored and not delivered yet')
    .action(() => on(status)());
  program
    .command('streams')
    .description('every stream: subjects, messages, size, bounds')
    .action(() => on(streams)());
  program
    .command('consumers')
    .argument('[stream]', 'of this stream only')
    .description('every consumer: how much it has not read, not acknowledged, read again')
    .action((stream: string | undefined) => on((admin, terminal) => consumers(admin, stream, terminal))());
  addMessaging(program, around, on);
  return program;
}

type On = (work: (admin: NatsAdmin, terminal: Terminal) => Promise<Exit>) => () => Promise<void>;

function addMessaging(program: Command, around: Surroundings, on: On): void {
  program
    .command('subscribe')
    .argument('<subject>', "* is one token, > the rest: 'cruvero.mcp.>'")
    .option('--count <number>', 'end after this many messages', wholeNumber, Number.POSITIVE_INFINITY)
    .description('print messages as they come, until Ctrl-C')
    .action((subject: string, { count }: { readonly count: number }) =>
      on((admin, terminal) => subscribe(admin, subject, count, terminal))(),
    );
  program
    .command('publish')
    .argument('<subject>', 'no wildcards')
    .argument('<json>', 'the message; - reads it from standard input')
    .option('--stored', 'wait until a stream has stored it; fails where none covers the subject', false)
    .option('--id <id>', 'message id: the same id within two minutes is stored once (with --stored)')
    .description('send one message')
    .action(
      async (subject: string, json: string, options: { readonly stored: boolean; readonly id?: string }) => {
        const text = json === '-' ? await around.input() : json;
        const how = { stored: options.stored, messageId: options.id ?? randomUUID() };
        await on((admin, terminal) => publish(admin, subject, text, how, terminal))();
      },
    );
  program
    .command('purge')
    .argument('<stream>', 'name as `event-bus streams` shows it')
    .option('--yes', 'really do it', false)
    .description('remove every message of a stream, for good')
    .action((stream: string, { yes }: { readonly yes: boolean }) =>
      on((admin, terminal) => purge(admin, stream, yes, terminal))(),
    );
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d{1,9}$/.test(text) || number < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.');
  return number;
}

async function connected(
  natsUrl: string | undefined,
  around: Surroundings,
  terminal: Terminal,
  work: (admin: NatsAdmin, terminal: Terminal) => Promise<Exit>,
): Promise<Exit> {
  const url = natsUrl ?? (around.env['CRUVERO_NATS_URL'] || defaultUrl);
  const address = readNatsUrl(url);
  if ('problem' in address) {
    const where = natsUrl === undefined ? 'CRUVERO_NATS_URL' : '--nats-url';
    terminal.message(`${where}: ${address.problem}.`);
    return exits.usage;
  }
  const admin = await natsAdmin({ url, name: 'event-bus' });
  if ('fault' in admin) {
    terminal.message(`${admin.detail}.`);
    return exits.failed;
  }
  await using _closing = admin;
  return await work(admin, terminal);
}
