// A key-value service that speaks RESP: the command. The work is in kv/server.ts.

import { DEFAULT_LIMITS, type KvLimits, LARGEST_GATHER_BYTES } from './kv/limits.ts';
import { KvServer } from './kv/server.ts';
import { runApplication, say, UsageError } from './options.ts';

const USAGE = `
Usage: kv server ADDRESS:PORT
       kv server --bind ADDRESS:PORT

Serves keys and values to clients of Redis. Ends on Ctrl-C.

  --bind ADDRESS:PORT    where to listen
  --protocol NAME        what clients speak: resp, the default and so far the only one
  --memory BYTES         memory for keys and small values; default ${DEFAULT_LIMITS.memoryBytes}
  --max-value BYTES      longest value; default ${DEFAULT_LIMITS.valueBytes}
  --gather BYTES         values from this length on lie in device memory and are sent from there; default ${DEFAULT_LIMITS.gatherBytes}
  --clients N            connections at once; default ${DEFAULT_LIMITS.clients}
  --append-only NAME     a log that changes go to before they are acknowledged; needs --storage`;

/** The protocols in front of the store. */
const PROTOCOLS = ['resp'] as const;

await runApplication(
  import.meta.url,
  USAGE,
  {
    bind: { type: 'string' },
    protocol: { type: 'string', default: 'resp' },
    memory: { type: 'string' },
    'max-value': { type: 'string' },
    gather: { type: 'string' },
    clients: { type: 'string' },
    'append-only': { type: 'string' },
  },
  command => {
    command.role(0, ['server']);
    command.choice('protocol', PROTOCOLS);
    const address = command.text('bind') ?? command.address(1);
    const limits: KvLimits = {
      memoryBytes: command.number('memory', DEFAULT_LIMITS.memoryBytes, 1 << 20),
      valueBytes: command.number('max-value', DEFAULT_LIMITS.valueBytes, 1),
      gatherBytes: command.number('gather', DEFAULT_LIMITS.gatherBytes, 64),
      clients: command.number('clients', DEFAULT_LIMITS.clients, 1),
      slotShare: DEFAULT_LIMITS.slotShare,
    };
    if (limits.gatherBytes > LARGEST_GATHER_BYTES) {
      throw new UsageError(`--gather is at most ${LARGEST_GATHER_BYTES}`);
    }
    if (limits.memoryBytes > 1 << 30) throw new UsageError(`--memory is at most ${1 << 30}`);
    if (limits.valueBytes > 1 << 29) throw new UsageError(`--max-value is at most ${1 << 29}`);
    const appendOnly = command.text('append-only');
    return os => {
      const server = new KvServer(os, { address, limits, appendOnly });
      say(`kv: ${server.address}, ${os.name}`);
      server.serve();
    };
  },
);
