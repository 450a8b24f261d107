// Echo over TCP or UDP, server and client: the command. The work is in echo-server.ts and echo-client.ts.

import { coroutines } from 'demikernel';
import { startEchoClient } from './echo-client.ts';
import { EchoServer } from './echo-server.ts';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: echo server ADDRESS:PORT [--protocol tcp|udp]
       echo client ADDRESS:PORT [--protocol tcp|udp] [--size BYTES] [--connections N] [--count N]

The server sends back what it receives. The client measures round trips.

  --protocol NAME        tcp (default) or udp
  --size BYTES           client: message size; default 64
  --connections N        client: connections, each with one message under way; default 1
  --count N              client: messages per connection; default 10000`;

await runApplication(
  import.meta.url,
  USAGE,
  {
    protocol: { type: 'string', default: 'tcp' },
    size: { type: 'string' },
    connections: { type: 'string' },
    count: { type: 'string' },
  },
  command => {
    const role = command.role(0, ['server', 'client']);
    const address = command.address(1);
    const protocol = command.choice('protocol', ['tcp', 'udp']);
    const sizeBytes = command.number('size', 64, 1);
    const connections = command.number('connections', 1, 1);
    const count = command.number('count', 10_000, 1);
    if (role === 'server') {
      return os => {
        const server = new EchoServer(os, { protocol, address });
        say(`echo: ${protocol} on ${server.address}, ${os.name}`);
        server.serve();
      };
    }
    return os => {
      const co = coroutines(os);
      const roundTrips = startEchoClient(co, { protocol, address, sizeBytes, connections, count });
      co.run();
      say(String(roundTrips));
    };
  },
);
