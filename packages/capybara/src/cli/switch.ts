// demikernel capybara switch: runs a load balancer until it is told to stop.

import { parseArgs } from 'node:util';
import { Balancer } from '../control/balancer.ts';
import { EXAMPLE, readFleetFile } from '../control/fleet-file.ts';
import { SOCKET_OPTION, UsageError, type Verb } from './verb.ts';

const LEARN_MS = 1000;

export const switchCommand: Verb = {
  name: 'switch',
  summary: 'run a load balancer',
  help: `Usage: demikernel capybara switch --fleet FILE [options]

Runs the switch and its controller until Ctrl-C. Backends register by their heartbeats.

  --fleet FILE      the fleet's description, JSON; keep it readable for this user alone: it has the keys
  --listen ADDR     serve the page, /status.json and /metrics at ADDRESS:PORT; no orders are taken there
  --socket PATH     UNIX socket for orders (default /run/demikernel-capybara.sock)
  --restarted       connections are there already: for a second, backends name theirs before unknown packets are let through

Needs CAP_BPF and CAP_NET_ADMIN. The fleet's description:

${EXAMPLE}`,
  async run(args): Promise<number> {
    const { values } = parseArgs({
      args,
      options: {
        ...SOCKET_OPTION,
        fleet: { type: 'string' },
        listen: { type: 'string' },
        restarted: { type: 'boolean', default: false },
      },
    });
    if (values.fleet === undefined) throw new UsageError('switch wants --fleet FILE');
    const listen = values.listen === undefined ? undefined : endpoint(values.listen);
    const stopped = new Promise<void>(resolve => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
    });
    const balancer = new Balancer({
      fleet: readFleetFile(values.fleet),
      learnMs: values.restarted ? LEARN_MS : 0,
    });
    try {
      await balancer.operate({ path: values.socket, ...(listen === undefined ? {} : { listen }) });
    } catch (error) {
      balancer.close();
      throw error;
    }
    process.stdout.write(
      `switching${values.listen === undefined ? '' : `; http://${values.listen}/`}; orders at ${values.socket}\n`,
    );
    await stopped;
    balancer.close();
    return 0;
  },
};

function endpoint(text: string): { host: string; port: number } {
  const [, host, port] = /^([\d.]+|\[[\da-f:]+\]|localhost):(\d+)$/i.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw new UsageError(`--listen ${text}: want ADDRESS:PORT`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
