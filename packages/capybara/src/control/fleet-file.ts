// The file that describes a fleet to its switch: addresses, interfaces, keys, policy. Read once at start; what backends are there
// they say themselves.

import { readFileSync } from 'node:fs';
import { DemiError } from '@demikernel/memory';
import { parseIpv4 } from 'demikernel';
import type { PolicyOptions } from '../policy/index.ts';
import type { SwitchPolicy, SwitchPort } from '../switch/index.ts';

/** A fleet, as its file says. */
export interface FleetDescription {
  /** Virtual addresses that are served, `address:port`. */
  services: readonly { address: string; port: number }[];
  /** Interfaces of the switch. */
  ports: readonly SwitchPort[];
  /** The switch's own IPv4 address, for control messages. */
  address: string;
  /** Secrets: 16, 16 and 32 bytes. */
  headerKey: Uint8Array;
  hashKey: Uint8Array;
  fleetKey: Uint8Array;
  /** How new connections are spread; `leastLoaded` by default. */
  spread: SwitchPolicy;
  /** Connections at one time. */
  connections: number;
  policy: PolicyOptions;
  dryRun: boolean;
  /** Only these may register, each behind its interface; all if not given, behind the one interface for backends. */
  backends: readonly { number: number; interface: string }[] | undefined;
}

/** An example for `--help` and the documentation. */
export const EXAMPLE = `{
  "services": ["10.0.0.1:443"],
  "address": "10.0.0.2",
  "ports": [
    { "interface": "eth0", "role": "client" },
    { "interface": "eth1", "role": "backend" }
  ],
  "keys": { "header": "<32 hex digits>", "hash": "<32 hex digits>", "fleet": "<64 hex digits>" },
  "spread": "leastLoaded",
  "policy": { "proactive": { "factor": 1.2 }, "coolDownUs": 200000 }
}
`;

const SPREADS: readonly string[] = ['maglev', 'leastLoaded', 'roundRobin'];
const ROLES: readonly string[] = ['client', 'backend', 'both'];

/** Reads a fleet's file. @throws DemiError `ERR_DEMI_FLEET`, which says where it is wrong */
export function readFleetFile(path: string): FleetDescription {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DemiError('ERR_DEMI_FLEET', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return parseFleet(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof DemiError) throw new DemiError(cause.code, `${path}: ${cause.message}`);
    throw new DemiError('ERR_DEMI_FLEET', `${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

/** Checks a fleet's description. @throws DemiError `ERR_DEMI_FLEET` */
export function parseFleet(value: unknown): FleetDescription {
  const fleet = new Reader(value, '');
  const keys = fleet.object('keys');
  const description: FleetDescription = {
    services: fleet.list('services').map(each => each.endpoint()),
    ports: fleet.list('ports').map(each => ({
      interface: each.string('interface'),
      role: each.choice('role', ROLES) as SwitchPort['role'],
    })),
    address: fleet.address('address'),
    headerKey: keys.key('header', 16),
    hashKey: keys.key('hash', 16),
    fleetKey: keys.key('fleet', 32),
    spread: (fleet.has('spread') ? fleet.choice('spread', SPREADS) : 'leastLoaded') as SwitchPolicy,
    connections: fleet.has('connections') ? fleet.integer('connections', 1, 262_144) : 32_768,
    policy: fleet.has('policy') ? policyOf(fleet.object('policy')) : {},
    dryRun: fleet.has('dryRun') && fleet.boolean('dryRun'),
    backends: fleet.has('backends')
      ? fleet.list('backends').map(each => ({
          number: each.integer('number', 0, 255),
          interface: each.string('interface'),
        }))
      : undefined,
  };
  fleet.nothingElse();
  keys.nothingElse();
  if (description.services.length === 0) throw fleet.wrong('services', 'want at least one');
  if (description.ports.length === 0) throw fleet.wrong('ports', 'want at least one');
  const backendPorts = description.ports.filter(each => each.role !== 'client');
  if (description.backends === undefined && backendPorts.length !== 1)
    throw fleet.wrong('backends', 'say which interface each is behind: there is not just one for backends');
  for (const { number, interface: name } of description.backends ?? []) {
    if (!backendPorts.some(each => each.interface === name))
      throw fleet.wrong('backends', `backend ${number}: no port for backends on ${name}`);
  }
  return description;
}

function policyOf(reader: Reader): PolicyOptions {
  const options: PolicyOptions = {};
  const part = (name: string, fields: readonly string[]): Record<string, number> | false => {
    if (reader.isFalse(name)) return false;
    const inner = reader.object(name);
    const found: Record<string, number> = {};
    for (const field of fields) if (inner.has(field)) found[field] = inner.positive(field);
    inner.nothingElse();
    return found;
  };
  if (reader.has('proactive')) options.proactive = part('proactive', ['factor', 'maxMoves', 'noise']);
  if (reader.has('reactive')) options.reactive = part('reactive', ['delayUs', 'fraction', 'maxMoves']);
  for (const name of ['coolDownUs', 'restUs', 'rebalanceUs'] as const) {
    if (reader.has(name)) options[name] = reader.positive(name);
  }
  reader.nothingElse();
  return options;
}

/** A value of the file, and where it stands. */
class Reader {
  readonly #value: unknown;
  readonly #where: string;
  readonly #read: Set<string>;

  constructor(value: unknown, where: string) {
    this.#value = value;
    this.#where = where;
    this.#read = new Set();
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields(), name);
  }

  isFalse(name: string): boolean {
    return this.#get(name) === false;
  }

  object(name: string): Reader {
    const inner = new Reader(this.#get(name), this.#path(name));
    inner.#fields();
    return inner;
  }

  list(name: string): Reader[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw this.wrong(name, 'want a list');
    return value.map((each, i) => new Reader(each, `${this.#path(name)}[${i}]`));
  }

  string(name: string): string {
    const value = this.#get(name);
    if (typeof value !== 'string' || value === '') throw this.wrong(name, 'want a text');
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== 'boolean') throw this.wrong(name, 'want true or false');
    return value;
  }

  positive(name: string): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !(value > 0)) throw this.wrong(name, 'want a number above 0');
    return value;
  }

  integer(name: string, low: number, high: number): number {
    return new Reader(this.#get(name), this.#path(name)).number(low, high);
  }

  /** This value itself. */
  number(low: number, high: number): number {
    const value = this.#value as number;
    if (!Number.isInteger(value) || value < low || value > high) throw this.#bad(`want ${low} to ${high}`);
    return value;
  }

  choice(name: string, among: readonly string[]): string {
    const value = this.string(name);
    if (!among.includes(value)) throw this.wrong(name, `'${value}' is none of ${among.join(', ')}`);
    return value;
  }

  address(name: string): string {
    const value = this.string(name);
    if (parseIpv4(value) === undefined) throw this.wrong(name, `'${value}' is no IPv4 address`);
    return value;
  }

  /** This value itself, `address:port`. */
  endpoint(): { address: string; port: number } {
    const [, address, port] = /^([\d.]+):(\d{1,5})$/.exec(String(this.#value)) ?? [];
    if (
      address === undefined ||
      parseIpv4(address) === undefined ||
      Number(port) < 1 ||
      Number(port) > 65_535
    )
      throw this.#bad('want address:port');
    return { address, port: Number(port) };
  }

  key(name: string, lengthBytes: number): Uint8Array {
    const text = this.string(name);
    if (!new RegExp(`^[0-9a-f]{${2 * lengthBytes}}$`, 'i').test(text))
      throw this.wrong(name, `want ${2 * lengthBytes} hex digits`);
    return Uint8Array.from(Buffer.from(text, 'hex'));
  }

  /** A misspelt name would otherwise be a default in silence. */
  nothingElse(): void {
    const unknown = Object.keys(this.#fields()).find(name => !this.#read.has(name));
    if (unknown !== undefined) throw this.wrong(unknown, 'is not known');
  }

  wrong(name: string, why: string): DemiError {
    return new DemiError('ERR_DEMI_FLEET', `${this.#path(name)}: ${why}`);
  }

  #get(name: string): unknown {
    this.#read.add(name);
    const fields = this.#fields();
    if (!Object.hasOwn(fields, name)) throw this.wrong(name, 'is missing');
    return fields[name];
  }

  #fields(): Record<string, unknown> {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value))
      throw this.#bad('want an object');
    return this.#value as Record<string, unknown>;
  }

  #path(name: string): string {
    return this.#where === '' ? name : `${this.#where}.${name}`;
  }

  #bad(why: string): DemiError {
    return new DemiError('ERR_DEMI_FLEET', `${this.#where === '' ? 'the fleet' : this.#where}: ${why}`);
  }
}
