// A durable log over TCP, server and client: the command. The work is in log/server.ts and log/client.ts.

import { coroutines } from 'demikernel';
import { startLogClient } from './log/client.ts';
import { LogServer } from './log/server.ts';
import { runApplication, say } from './options.ts';

const USAGE = `
Usage: log server ADDRESS:PORT --storage NAME [--directory PATH] [--log NAME]
       log client ADDRESS:PORT [--size BYTES] [--count N] [--window N]

The server appends what it receives to a log and acknowledges each record when it is durable. The client appends, waits
for the acknowledgements, reads everything back and compares.

  --log NAME             server: the log's name; default log
  --size BYTES           client: record size; default 512
  --count N              client: records; default 10000
  --window N             client: records on their way at once; default 32`;

await runApplication(
  import.meta.url,
  USAGE,
  {
    log: { type: 'string', default: 'log' },
    size: { type: 'string' },
    count: { type: 'string' },
    window: { type: 'string' },
  },
  command => {
    const role = command.role(0, ['server', 'client']);
    const address = command.address(1);
    const sizeBytes = command.number('size', 512, 4);
    const count = command.number('count', 10_000, 1);
    const window = command.number('window', 32, 1);
    if (role === 'server') {
      return os => {
        const server = new LogServer(os, { address, log: command.text('log') ?? 'log' });
        say(`log: ${server.address}, ${os.name}`);
        server.serve();
      };
    }
    return os => {
      const co = coroutines(os);
      const report = startLogClient(co, { address, sizeBytes, count, window });
      co.run();
      const perSecond = Math.round((report.acknowledged / report.durationUs) * 1e6);
      say(`${report.acknowledged} records durable, ${perSecond} a second; ${report.readBack} read back`);
    };
  },
);
