// UDP relay: the command. The work is in relay.ts.

import { runApplication, say } from './options.ts';
import { Relay } from './relay.ts';

const USAGE = `
Usage: udp-relay LISTEN:PORT TARGET:PORT [--clients N]

Sends datagrams of any client on to the target, and its answers back. Each client has a port of its own towards the target.

  --clients N         clients remembered at once; default 1024`;

await runApplication(import.meta.url, USAGE, { clients: { type: 'string' } }, command => {
  const options = {
    listen: command.address(0),
    target: command.address(1),
    clients: command.number('clients', 1024, 1),
  };
  return os => {
    const relay = new Relay(os, options);
    say(`udp-relay: ${relay.address} to ${options.target}, ${os.name}`);
    relay.run();
    const { forward, back, clients, failed } = relay.counters;
    say(`${forward} datagrams forward, ${back} back, ${clients} clients, ${failed} failed`);
  };
});
