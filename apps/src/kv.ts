// A key-value service: the command. The work is in kv/server.ts for RESP, in kv/objects/object-server.ts for serialized objects.

import type { Demikernel, SocketType } from 'demikernel';
import { BACKEND_HELP, BACKEND_OPTIONS, backendPlan } from './backend.ts';
import { DEFAULT_LIMITS, type KvLimits, LARGEST_GATHER_BYTES } from './kv/limits.ts';
import { loadCodec } from './kv/objects/codecs.ts';
import { ObjectServer } from './kv/objects/object-server.ts';
import { OBJECT_PROTOCOLS, type ObjectProtocol } from './kv/objects/protocol.ts';
import { KvServer } from './kv/server.ts';
import { type CommandLine, runApplication, say, UsageError } from './options.ts';

const USAGE = `
Usage: kv server ADDRESS:PORT
       kv server --bind ADDRESS:PORT

Serves keys and values: to clients of Redis, or as serialized objects. Ends on Ctrl-C.

  --bind ADDRESS:PORT    where to listen
  --protocol NAME        resp, the default; or ${OBJECT_PROTOCOLS.join(', ')}
  --gather BYTES         resp: values from this length on lie in device memory and are sent from there; default ${DEFAULT_LIMITS.gatherBytes}
                         cornflakes: values from this length on are sent from where they lie; 0: all, Infinity: none;
                         default: as the device was calibrated
  --clients N            connections at once; default ${DEFAULT_LIMITS.clients}

RESP:
  --memory BYTES         memory for keys and small values; default ${DEFAULT_LIMITS.memoryBytes}
  --max-value BYTES      longest value; default ${DEFAULT_LIMITS.valueBytes}
  --append-only NAME     a log that changes go to before they are acknowledged; needs --storage

Objects (values lie in device memory, see --slots):
  --socket TYPE          stream, the default: each message behind its length; datagram; message, which catmem has
  --share PERCENT        of device memory that values may take; default 50
${BACKEND_HELP}
  RESP only. Connections move, data does not: each backend has a store of its own.`;

/** The protocols in front of a store. */
const PROTOCOLS = ['resp', ...OBJECT_PROTOCOLS] as const;
const SOCKET_TYPES = ['stream', 'datagram', 'message'] as const satisfies readonly SocketType[];

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
    socket: { type: 'string' },
    share: { type: 'string' },
    ...BACKEND_OPTIONS,
  },
  command => {
    command.role(0, ['server']);
    const protocol = command.choice('protocol', PROTOCOLS);
    const address = command.text('bind') ?? command.address(1);
    return protocol === 'resp' ? serveResp(command, address) : serveObjects(command, address, protocol);
  },
);

function serveResp(command: CommandLine, address: string): (os: Demikernel) => void {
  refuse(command, ['socket', 'share'], 'resp has no such option');
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
  const plan = backendPlan(command, address);
  return os => {
    const backend = plan?.join(os);
    const { agent: mover, idsAfter } = backend ?? {};
    const server = new KvServer(os, { address, limits, appendOnly, mover, idsAfter });
    say(`kv: ${server.address}, ${os.name}`);
    server.serve();
    backend?.drain(() => server.serveReady());
  };
}

function serveObjects(
  command: CommandLine,
  address: string,
  protocol: ObjectProtocol,
): (os: Demikernel) => Promise<void> {
  refuse(
    command,
    ['capybara', 'backend', 'peers', 'memory', 'max-value', 'append-only'],
    'only resp has that',
  );
  if (protocol !== 'cornflakes') refuse(command, ['gather'], `${protocol} always copies`);
  const copyThresholdBytes =
    command.text('gather') === undefined
      ? undefined
      : command.text('gather') === 'Infinity'
        ? Number.POSITIVE_INFINITY
        : command.number('gather', 0);
  const clients = command.number('clients', DEFAULT_LIMITS.clients, 1);
  const sharePercent = command.number('share', 50, 1);
  if (sharePercent > 90) throw new UsageError('--share is at most 90: the network needs memory too');
  const socketType = command.text('socket') === undefined ? 'stream' : command.choice('socket', SOCKET_TYPES);
  return async os => {
    const codec = await loadCodec(protocol, { copyThresholdBytes });
    const slotShare = sharePercent / 100;
    const server = new ObjectServer(os, { address, codec, socketType, clients, slotShare });
    say(`kv: ${server.address}, ${os.name}, ${protocol}`);
    server.serve();
  };
}

function refuse(command: CommandLine, options: readonly string[], why: string): void {
  for (const option of options) {
    if (command.text(option) !== undefined) throw new UsageError(`--${option}: ${why}`);
  }
}
