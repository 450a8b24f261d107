// The command `demikernel capybara`, which `demikernel` finds by its name when this package is there.

import { DemiError } from '@demikernel/memory';
import { drain, move, remove, undrain } from './orders.ts';
import { status } from './status.ts';
import { switchCommand } from './switch.ts';
import { top } from './top.ts';
import { UsageError, type Verb } from './verb.ts';

const VERBS: readonly Verb[] = [switchCommand, status, top, drain, undrain, move, remove];

const HELP = `Usage: demikernel capybara VERB [options]

A layer-4 load balancer that moves live TCP connections between backends.

${VERBS.map(verb => `  ${verb.name.padEnd(9)} ${verb.summary}`).join('\n')}

Every verb but switch talks to a running switch by its UNIX socket, --socket PATH
(default /run/demikernel-capybara.sock). demikernel capybara VERB --help says more.
`;

/** What `demikernel` wants of a command. */
export interface Command {
  name: string;
  summary: string;
  help: string;
  /** `--help` behind a verb is the verb's. */
  hasVerbs: boolean;
  run(args: string[]): Promise<number>;
}

export const command: Command = {
  name: 'capybara',
  summary: 'a load balancer that moves live connections: switch, drain, move, status, top',
  help: HELP,
  hasVerbs: true,
  async run(args: string[]): Promise<number> {
    const [name, ...rest] = args;
    const verb = VERBS.find(each => each.name === name);
    if (verb === undefined) {
      process.stderr.write(
        name === undefined
          ? HELP
          : `demikernel capybara: '${name}' is no verb\nTry 'demikernel capybara --help'.\n`,
      );
      return 2;
    }
    if (rest.includes('--help') || rest.includes('-h')) {
      process.stdout.write(verb.help);
      return 0;
    }
    try {
      return await verb.run(rest);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true) {
        process.stderr.write(
          `demikernel capybara: ${message}\nTry 'demikernel capybara ${verb.name} --help'.\n`,
        );
        return 2;
      }
      if (!(error instanceof DemiError)) throw error;
      process.stderr.write(`demikernel capybara: ${message} (${code})\n`);
      return 1;
    }
  },
};
