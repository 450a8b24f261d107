// Commands about the service and the connection: INFO, CLIENT, COMMAND, CONFIG, HELLO, SELECT, QUIT. Rare, so they work
// with strings.

import type { ClientState } from './client-state.ts';
import * as names from './command-names.ts';
import * as replies from './replies.ts';
import type { Store } from './store.ts';

/** The version whose behaviour clients may expect. */
const SPEAKS_LIKE = '7.0.15';

/** What INFO and CLIENT ask of the service. */
export interface ServiceFacts {
  readonly name: string;
  readonly port: number;
  readonly uptimeSeconds: number;
  readonly clients: number;
  readonly accepted: number;
  readonly commands: number;
  readonly appendOnly: boolean;
  clientList(): readonly ClientState[];
}

export function serviceCommand(
  client: ClientState,
  command: names.CommandSpec,
  store: Store,
  facts: ServiceFacts,
): void {
  const { out } = client;
  switch (command.id) {
    case names.INFO:
      replies.verbatim(out, client.version, info(client, store, facts));
      break;
    case names.COMMAND_LIST:
      describeCommands(client);
      break;
    case names.CLIENT:
      aboutClient(client, facts);
      break;
    case names.CONFIG:
      configure(client, store, facts);
      break;
    case names.HELLO:
      hello(client);
      break;
    case names.SELECT:
      select(client);
      break;
    default:
      client.quits = true;
      out.put(replies.OK);
  }
}

function select(client: ClientState): void {
  const text = client.text(1);
  if (!/^-?\d{1,9}$/.test(text)) client.out.put(replies.NOT_INTEGER);
  else if (text === '0') client.out.put(replies.OK);
  else replies.error(client.out, 'ERR DB index is out of range');
}

function hello(client: ClientState): void {
  const { out, parser } = client;
  let { version } = client;
  if (parser.count > 1) {
    const text = client.text(1);
    if (!/^-?\d+$/.test(text)) {
      replies.error(out, 'ERR Protocol version is not an integer or out of range');
      return;
    }
    version = Number(text);
    if (version !== 2 && version !== 3) {
      replies.error(out, 'NOPROTO unsupported protocol version');
      return;
    }
  }
  let name: string | undefined;
  for (let i = 2; i < parser.count; i++) {
    const option = client.text(i).toUpperCase();
    // There are no passwords: whoever gives one gets in.
    if (option === 'AUTH' && i + 2 < parser.count) i += 2;
    else if (option === 'SETNAME' && i + 1 < parser.count) name = client.text(++i);
    else {
      replies.error(out, `ERR Syntax error in HELLO option '${client.text(i)}'`);
      return;
    }
  }
  if (name !== undefined && !setName(client, name)) return;
  client.version = version;
  replies.map(out, version, 7);
  const pair = (key: string, value: string): void => {
    replies.bulk(out, key);
    replies.bulk(out, value);
  };
  pair('server', 'redis');
  pair('version', SPEAKS_LIKE);
  replies.bulk(out, 'proto');
  out.number(replies.INTEGER, version);
  replies.bulk(out, 'id');
  out.number(replies.INTEGER, client.id);
  pair('mode', 'standalone');
  pair('role', 'master');
  replies.bulk(out, 'modules');
  out.number(replies.ARRAY, 0);
}

function setName(client: ClientState, name: string): boolean {
  if (!/^[!-~]*$/.test(name)) {
    replies.error(client.out, 'ERR Client names cannot contain spaces, newlines or special characters.');
    return false;
  }
  client.name = name.slice(0, 256);
  return true;
}

function aboutClient(client: ClientState, facts: ServiceFacts): void {
  const { out, parser } = client;
  const what = client.text(1).toUpperCase();
  const { count } = parser;
  if (what === 'ID' && count === 2) out.number(replies.INTEGER, client.id);
  else if (what === 'GETNAME' && count === 2) {
    if (client.name === '') out.put(client.version < 3 ? replies.NO_BULK : replies.NULL);
    else replies.bulk(out, client.name);
  } else if (what === 'SETNAME' && count === 3) {
    if (setName(client, client.text(2))) out.put(replies.OK);
  } else if (what === 'SETINFO' && count === 4) {
    const field = client.text(2).toUpperCase();
    const value = client.text(3).slice(0, 64);
    if (field === 'LIB-NAME') client.libraryName = value;
    else client.libraryVersion = value;
    out.put(replies.OK);
  } else if (what === 'INFO' && count === 2) replies.verbatim(out, client.version, `${line(client)}\n`);
  else if (what === 'LIST') {
    replies.verbatim(
      out,
      client.version,
      facts
        .clientList()
        .map(each => `${line(each)}\n`)
        .join(''),
    );
  } else if ((what === 'NO-EVICT' || what === 'NO-TOUCH') && count === 3) out.put(replies.OK);
  else subcommandError(client, 'client');
}

function line(client: ClientState): string {
  const { address, id, libraryName, libraryVersion, name, version } = client;
  return `id=${id} addr=${address} name=${name} db=0 resp=${version} lib-name=${libraryName} lib-ver=${libraryVersion}`;
}

function subcommandError(client: ClientState, command: string): void {
  replies.error(
    client.out,
    `ERR unknown subcommand or wrong number of arguments for '${client.text(1).slice(0, 128)}'. Try ${command.toUpperCase()} HELP.`,
  );
}

function describeCommands(client: ClientState): void {
  const { out, parser } = client;
  if (parser.count === 1) {
    out.number(replies.ARRAY, names.COMMANDS.length);
    for (const command of names.COMMANDS) describe(client, command);
    return;
  }
  const what = client.text(1).toUpperCase();
  if (what === 'COUNT' && parser.count === 2) out.number(replies.INTEGER, names.COMMANDS.length);
  else if (what === 'DOCS') replies.map(out, client.version, 0);
  else if (what === 'LIST' && parser.count === 2) {
    out.number(replies.ARRAY, names.COMMANDS.length);
    for (const { name } of names.COMMANDS) replies.bulk(out, name);
  } else if (what === 'INFO') {
    out.number(replies.ARRAY, parser.count - 2);
    for (let i = 2; i < parser.count; i++) {
      const name = client.text(i).toLowerCase();
      const command = names.COMMANDS.find(each => each.name === name);
      if (command !== undefined) describe(client, command);
      else out.put(client.version < 3 ? NO_ARRAY : replies.NULL);
    }
  } else subcommandError(client, 'command');
}

const NO_ARRAY: Uint8Array = new Uint8Array(Buffer.from('*-1\r\n', 'latin1'));

/** As Redis 7: name, arity, flags, three key positions, and four lists that stay empty. */
function describe(client: ClientState, { arity, flags, keys, name }: names.CommandSpec): void {
  const { out } = client;
  const set = client.version < 3 ? replies.ARRAY : replies.SETOF;
  out.number(replies.ARRAY, 10);
  replies.bulk(out, name);
  out.number(replies.INTEGER, arity);
  out.number(set, flags.length);
  for (const flag of flags) replies.simple(out, flag);
  for (const position of keys) out.number(replies.INTEGER, position);
  out.number(set, 0);
  out.number(set, 0);
  out.number(replies.ARRAY, 0);
  out.number(replies.ARRAY, 0);
}

function configure(client: ClientState, store: Store, facts: ServiceFacts): void {
  const { out, parser } = client;
  const what = client.text(1).toUpperCase();
  if (what === 'RESETSTAT' && parser.count === 2) {
    store.hits = 0;
    store.misses = 0;
    out.put(replies.OK);
    return;
  }
  if (what !== 'GET' || parser.count < 3) {
    subcommandError(client, 'config');
    return;
  }
  const settings: Record<string, string> = {
    appendonly: facts.appendOnly ? 'yes' : 'no',
    databases: '1',
    maxmemory: String(store.memoryBytes),
    'maxmemory-policy': 'noeviction',
    'proto-max-bulk-len': String(store.limits.valueBytes),
    save: '',
  };
  const wanted = new Set<string>();
  for (let i = 2; i < parser.count; i++) {
    const pattern = client.text(i).toLowerCase();
    for (const name of Object.keys(settings)) if (pattern === '*' || pattern === name) wanted.add(name);
  }
  replies.map(out, client.version, wanted.size);
  for (const name of wanted) {
    replies.bulk(out, name);
    replies.bulk(out, settings[name]!);
  }
}

function info(client: ClientState, store: Store, facts: ServiceFacts): string {
  const sections: Record<string, Record<string, string | number>> = {
    Server: {
      redis_version: SPEAKS_LIKE,
      redis_mode: 'standalone',
      demikernel_libos: facts.name,
      process_id: process.pid,
      tcp_port: facts.port,
      uptime_in_seconds: Math.floor(facts.uptimeSeconds),
    },
    Clients: { connected_clients: facts.clients, maxclients: store.limits.clients },
    Memory: {
      used_memory: store.usedBytes,
      maxmemory: store.memoryBytes,
      maxmemory_policy: 'noeviction',
      value_slots: store.slots,
    },
    Persistence: { loading: 0, aof_enabled: facts.appendOnly ? 1 : 0 },
    Stats: {
      total_connections_received: facts.accepted,
      total_commands_processed: facts.commands,
      expired_keys: store.expired,
      keyspace_hits: store.hits,
      keyspace_misses: store.misses,
    },
    Replication: { role: 'master', connected_slaves: 0 },
    Keyspace: store.size === 0 ? {} : { db0: `keys=${store.size},expires=${store.expiring},avg_ttl=0` },
  };
  const asked = new Set<string>();
  for (let i = 1; i < client.parser.count; i++) asked.add(client.text(i).toLowerCase());
  const all = asked.size === 0 || ['all', 'default', 'everything'].some(word => asked.has(word));
  return Object.entries(sections)
    .filter(([name]) => all || asked.has(name.toLowerCase()))
    .map(([name, fields]) =>
      [`# ${name}`, ...Object.entries(fields).map(([field, value]) => `${field}:${value}`), ''].join('\r\n'),
    )
    .join('\r\n');
}
