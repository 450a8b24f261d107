// demikernel capybara drain, undrain, move, remove: orders to a running switch.

import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ask, askStatus, SOCKET_OPTION, UsageError, type Verb } from './verb.ts';

const POLL_MS = 100;

function backendIn(positionals: readonly string[], verb: string): string {
  const [backend, ...more] = positionals;
  if (backend === undefined || !/^\d{1,3}$/.test(backend) || more.length > 0)
    throw new UsageError(`${verb} wants the number of one backend`);
  return backend;
}

export const drain: Verb = {
  name: 'drain',
  summary: 'move all connections of a backend elsewhere',
  help: `Usage: demikernel capybara drain BACKEND [--no-wait] [--socket PATH]

Moves every connection of a backend to the others, and gives it no new ones. Ends with status 0 when it is empty, so that it
can be stopped; with status 3 when connections stay, because they do not move.

  --no-wait        end at once
  --timeout SEC    give up after so long (default 60)
`,
  async run(args): Promise<number> {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...SOCKET_OPTION,
        'no-wait': { type: 'boolean', default: false },
        timeout: { type: 'string', default: '60' },
      },
    });
    const backend = backendIn(positionals, 'drain');
    const timeoutMs = Number(values.timeout) * 1000;
    if (!(timeoutMs > 0)) throw new UsageError(`--timeout ${values.timeout}: want seconds`);
    await ask(values.socket, 'POST', `/drain?backend=${backend}`);
    if (values['no-wait']) return 0;
    const end = Date.now() + timeoutMs;
    for (;;) {
      const { backends } = await askStatus(values.socket);
      const left = backends.find(each => each.id === Number(backend))?.connections ?? 0;
      if (process.stderr.isTTY) process.stderr.write(`\rbackend ${backend}: ${left} connections   `);
      if (left === 0 || Date.now() > end) {
        if (process.stderr.isTTY) process.stderr.write('\n');
        process.stdout.write(left === 0 ? `backend ${backend} is empty\n` : `${left} connections stay\n`);
        return left === 0 ? 0 : 3;
      }
      await pause(POLL_MS);
    }
  },
};

export const undrain: Verb = {
  name: 'undrain',
  summary: 'let a drained backend work again',
  help: 'Usage: demikernel capybara undrain BACKEND [--socket PATH]\n',
  async run(args): Promise<number> {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SOCKET_OPTION });
    await ask(values.socket, 'POST', `/undrain?backend=${backendIn(positionals, 'undrain')}`);
    return 0;
  },
};

export const remove: Verb = {
  name: 'remove',
  summary: 'forget a backend that is down',
  help: 'Usage: demikernel capybara remove BACKEND [--socket PATH]\n',
  async run(args): Promise<number> {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: SOCKET_OPTION });
    await ask(values.socket, 'POST', `/remove?backend=${backendIn(positionals, 'remove')}`);
    return 0;
  },
};

export const move: Verb = {
  name: 'move',
  summary: 'move one connection',
  help: `Usage: demikernel capybara move CLIENT:PORT --to BACKEND [--socket PATH]

Moves the connection of one client. \`status\` names the busiest.
`,
  async run(args): Promise<number> {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...SOCKET_OPTION, to: { type: 'string' } },
    });
    const [client, ...more] = positionals;
    if (client === undefined || more.length > 0 || !/^[\d.]+:\d+$/.test(client))
      throw new UsageError('move wants one client, ADDRESS:PORT');
    if (values.to === undefined || !/^\d{1,3}$/.test(values.to))
      throw new UsageError('move wants --to BACKEND');
    await ask(values.socket, 'POST', `/move?client=${encodeURIComponent(client)}&to=${values.to}`);
    return 0;
  },
};
