// The switch as a function of a frame and its tables: what the XDP program does, in TypeScript, in the same order. It is
// the switch of simulations, and the program is tested against it. Control messages are model-control.ts.
//
//   port of clients:   ARP for a virtual address -> answered
//                      TCP to a service -> flow -> its backend (the target of one that moves)
//                                       -> none -> SYN: choose and enter · else: the Maglev choice
//                      ICMP error about a reply -> the flow of the header within
//                      control message -> dropped
//   port of backends:  control message -> model-control.ts
//                      TCP from a service -> the port of the flow's client, if its owner sent it
//   anything else      -> the kernel

import { MIGRATION_PORT } from '../tcpmig/header.ts';
import * as L from './layout.ts';
import { BOUNCED, ModelControl } from './model-control.ts';
import { ModelState } from './model-state.ts';
import type { SwitchTables } from './tables.ts';

export { DROP, PASS, REDIRECT, TRANSMIT } from './layout.ts';

const { DROP, PASS, PATH, REDIRECT, TRANSMIT } = L;

const ETHERNET_BYTES = 14;
const IP = ETHERNET_BYTES;
const IPV4_BYTES = 20;
const TCP_BYTES = 20;
const ICMP_BYTES = 8;
/** ICMP errors (RFC 792): unreachable, source quench, time exceeded, parameter problem. */
const ICMP_ERRORS = (1 << 3) | (1 << 4) | (1 << 11) | (1 << 12);
const FRAGMENT_MASK = 0x3fff;

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

export interface SwitchModelOptions {
  tables: SwitchTables;
  /** Role of each port, by index. */
  roles: readonly L.PortRole[];
  /** Counter block to use; 0 by default. */
  cpu?: number;
}

/**
 * The switch's logic. Frames are rewritten in place.
 *
 * ```ts
 * const action = model.receive(0, view, 0, length);
 * if (action === REDIRECT) send(model.outPort, frame);
 * ```
 */
export class SwitchModel {
  readonly tables: SwitchTables;
  /** Port of the last frame's REDIRECT. */
  outPort: number;
  /** The way the last frame took: index in `SWITCH_PATHS`. */
  path: number;
  readonly #state: ModelState;
  readonly #control: ModelControl;
  readonly #roles: readonly L.PortRole[];

  constructor(options: SwitchModelOptions) {
    this.tables = options.tables;
    this.outPort = L.NONE;
    this.path = 0;
    this.#state = new ModelState(options.tables, options.cpu ?? 0);
    this.#control = new ModelControl(this.#state);
    this.#roles = options.roles;
  }

  /** Takes a frame of `lengthBytes` at `offset` and says what becomes of it: DROP, PASS, TRANSMIT or REDIRECT. */
  receive(port: number, frame: DataView, offset: number, lengthBytes: number): number {
    this.outPort = L.NONE;
    const action = this.#dispatch(port, frame, offset, lengthBytes);
    this.#state.countPath(this.path);
    return action;
  }

  #end(path: number, action: number): number {
    this.path = path;
    return action;
  }

  #dispatch(port: number, v: DataView, o: number, length: number): number {
    const role = this.#roles[port] ?? 'client';
    if (length < ETHERNET_BYTES) return this.#end(PATH.truncated, PASS);
    const type = v.getUint16(o + 12);
    if (type === 0x0806) return this.#arp(port, role, v, o, length);
    if (type !== 0x0800) return this.#otherType(type, role, v, o, length);
    if (length < IP + IPV4_BYTES) return this.#end(PATH.truncated, PASS);
    const versionIhl = v.getUint8(o + IP);
    const headerBytes = (versionIhl & 15) * 4;
    if (versionIhl >> 4 !== 4 || headerBytes < IPV4_BYTES) return this.#end(PATH.malformed, PASS);
    const protocol = v.getUint8(o + IP + 9);
    const transport = IP + headerBytes;
    if (protocol === 17) {
      const path = this.#udp(role, v, o, transport, length);
      if (path === PATH.forgedControl) return this.#end(path, DROP);
      if (path === PATH.verdict) {
        const action = this.#control.receive(v, o, length);
        this.outPort = this.#control.outPort;
        return this.#end(this.#control.path, action === BOUNCED ? this.#back(port, role) : action);
      }
    }
    return role === 'backend'
      ? this.#fromBackend(port, v, o, transport, length)
      : this.#fromClient(port, v, o, transport, length);
  }

  /**
   * A tag without a VLAN (802.1Q, 6.9: VID 0) is no tag to the kernel: a client could hide control messages behind it.
   * VLANs proper are the kernel's.
   */
  #otherType(type: number, role: L.PortRole, v: DataView, o: number, length: number): number {
    const tagged = (type === 0x8100 || type === 0x88a8) && role !== 'backend';
    if (tagged && length >= ETHERNET_BYTES + 2 && (v.getUint16(o + ETHERNET_BYTES) & 0x0fff) === 0)
      return this.#end(PATH.priorityTag, DROP);
    return this.#end(PATH.otherEtherType, PASS);
  }

  /** `verdict` for a message to the switch, `forgedControl` for one that must not be here, anything else for no message. */
  #udp(role: L.PortRole, v: DataView, o: number, transport: number, length: number): number {
    const none = PATH.otherProtocol;
    if ((v.getUint16(o + IP + 6) & 0x1fff) !== 0 || length < transport + 4) return none;
    if (v.getUint16(o + transport + 2) !== MIGRATION_PORT) return none;
    if (role === 'client') return PATH.forgedControl;
    const ours = this.tables.words[L.AT_SWITCH_ADDRESS >> 2];
    return v.getInt32(o + IP + 16, true) === ours ? PATH.verdict : none;
  }

  /** Answers requests (RFC 826) for virtual addresses. */
  #arp(port: number, role: L.PortRole, v: DataView, o: number, length: number): number {
    if (role === 'backend') return this.#end(PATH.otherArp, PASS);
    if (length < ETHERNET_BYTES + 28) return this.#end(PATH.truncated, PASS);
    const target = v.getInt32(o + 38, true);
    const isRequest =
      v.getInt32(o + 14) === 0x0001_0800 && v.getUint16(o + 18) === 0x0604 && v.getUint16(o + 20) === 1;
    // An announcement asks for its own address.
    if (!isRequest || target === v.getInt32(o + 28, true) || this.#service(target) < 0)
      return this.#end(PATH.otherArp, PASS);
    const mac = L.AT_PORTS + port * L.PORT_BYTES;
    copyMac(v, o + 22, v, o);
    copyMac(this.tables.view, mac, v, o + 6);
    v.setUint16(o + 20, 2);
    copyMac(v, o + 22, v, o + 32);
    v.setInt32(o + 38, v.getInt32(o + 28));
    copyMac(this.tables.view, mac, v, o + 22);
    v.setInt32(o + 28, target, true);
    return this.#end(PATH.arp, this.#back(port, role));
  }

  /** Out of the port it came in by. A veth end takes XDP_TX only with a program at the other, a redirect with GRO too. */
  #back(port: number, role: L.PortRole): number {
    if (role === 'both') return TRANSMIT;
    this.outPort = port;
    return REDIRECT;
  }

  /** Index of a virtual address given as a packet's word; -1 for none. */
  #service(address: number): number {
    if (address === 0) return -1;
    const { words } = this.tables;
    for (let i = 0; i < L.MAX_ADDRESSES; i++) if (words[(L.AT_ADDRESSES >> 2) + i] === address) return i;
    return -1;
  }

  #isServed(index: number, port: number): boolean {
    const word = (L.AT_SERVICES + index * L.SERVICE_BYTES) >> 2;
    return ((this.tables.words[word + (port >> 5)]! >>> (port & 31)) & 1) !== 0;
  }

  #fromClient(port: number, v: DataView, o: number, transport: number, length: number): number {
    const destination = v.getInt32(o + IP + 16, true);
    const index = this.#service(destination);
    if (index < 0) return this.#end(PATH.otherAddress, PASS);
    if ((v.getUint16(o + IP + 6) & FRAGMENT_MASK) !== 0) return this.#end(PATH.fragment, DROP);
    const protocol = v.getUint8(o + IP + 9);
    if (protocol === 1) return this.#icmp(index, v, o, transport, length);
    if (protocol !== 6) return this.#end(PATH.otherProtocol, PASS);
    const source = v.getInt32(o + IP + 12, true);
    if (source === destination || length < transport + TCP_BYTES) return this.#end(PATH.malformed, DROP);
    if (!this.#isServed(index, v.getUint16(o + transport + 2))) return this.#end(PATH.otherPort, PASS);
    const s = this.#state;
    s.clientAddress = source;
    s.virtualAddress = destination;
    s.ports = v.getInt32(o + transport, true);
    const flags = v.getUint8(o + transport + 13);
    const flow = s.lookup();
    return flow < 0 ? this.#unknown(flags, port, v, o, length) : this.#known(flow, flags, port, v, o, length);
  }

  #unknown(tcpFlags: number, port: number, v: DataView, o: number, length: number): number {
    const s = this.#state;
    if (!isOpening(tcpFlags)) {
      if (this.tables.learning) return this.#end(PATH.learning, DROP);
      return this.#toBackend(s.maglev(), PATH.noEntry, v, o, length);
    }
    const backend = s.choose();
    if (backend >= L.MAX_BACKENDS) return this.#end(PATH.noBackend, DROP);
    const inserted = s.insert(0, L.PHASE_OWNED | backend, 0, port, length);
    if (inserted === L.INSERT_FULL) return this.#toBackend(s.maglev(), PATH.tableFull, v, o, length);
    if (inserted !== L.INSERTED) return this.#end(PATH.raced, DROP);
    s.countConnections(backend, 1);
    s.countOpened(backend);
    return this.#toBackend(backend, PATH.opened, v, o, length);
  }

  #known(flow: number, tcpFlags: number, port: number, v: DataView, o: number, length: number): number {
    const s = this.#state;
    const { words } = s;
    const ownership = words[(flow + L.FLOW_OWNERSHIP) >> 2]!;
    const prepared = ownership >= L.PHASE_PREPARED;
    const backend = (prepared ? ownership >> L.TARGET_SHIFT : ownership) & L.BACKEND_MASK;
    if (!isAlive(s.backendState(backend))) {
      // The origin may claim it back yet.
      if (prepared) return this.#end(PATH.targetDown, DROP);
      // Any other backend resets it: the client learns it at once.
      if (!isOpening(tcpFlags)) return this.#toBackend(s.maglev(), PATH.ownerDown, v, o, length);
      return this.#reassign(flow, backend, port, v, o, length);
    }
    touch(words, flow);
    const flags = (flow + L.FLOW_FLAGS) >> 2;
    if (isOpening(tcpFlags)) words[flags] = 0;
    else words[flags] = words[flags]! | clientFlags(tcpFlags);
    words[(flow + L.FLOW_CLIENT_PORT) >> 2] = port;
    s.add64(flow + L.FLOW_PACKETS, 1);
    s.add64(flow + L.FLOW_BYTES_IN, length);
    return this.#toBackend(backend, prepared ? PATH.toTarget : PATH.forwarded, v, o, length);
  }

  /** A new connection with the addresses and ports of one whose backend is gone. */
  #reassign(flow: number, from: number, port: number, v: DataView, o: number, length: number): number {
    const s = this.#state;
    const to = s.choose();
    if (to >= L.MAX_BACKENDS) return this.#end(PATH.noBackend, DROP);
    const epoch = flow >> 2;
    s.words[epoch] = (s.words[epoch]! + 1) | 0;
    s.words[(flow + L.FLOW_OWNERSHIP) >> 2] = L.PHASE_OWNED | to;
    s.countConnections(from, -1);
    s.countConnections(to, 1);
    s.countOpened(to);
    touch(s.words, flow);
    s.words[(flow + L.FLOW_FLAGS) >> 2] = 0;
    s.words[(flow + L.FLOW_CLIENT_PORT) >> 2] = port;
    s.add64(flow + L.FLOW_PACKETS, 1);
    s.add64(flow + L.FLOW_BYTES_IN, length);
    return this.#toBackend(to, PATH.reassigned, v, o, length);
  }

  /** ICMP errors about what a backend sent in the name of the virtual address. */
  #icmp(index: number, v: DataView, o: number, transport: number, length: number): number {
    const inner = transport + ICMP_BYTES;
    if (length < inner + IPV4_BYTES) return this.#end(PATH.malformed, DROP);
    const type = v.getUint8(o + transport);
    if (type > 31 || ((ICMP_ERRORS >>> type) & 1) === 0) return this.#end(PATH.otherIcmp, PASS);
    const versionIhl = v.getUint8(o + inner);
    const headerBytes = (versionIhl & 15) * 4;
    if (versionIhl >> 4 !== 4 || headerBytes < IPV4_BYTES) return this.#end(PATH.malformed, DROP);
    const source = v.getInt32(o + inner + 12, true);
    const about =
      source === v.getInt32(o + IP + 16, true) &&
      v.getUint8(o + inner + 9) === 6 &&
      (v.getUint16(o + inner + 6) & 0x1fff) === 0;
    if (!about) return this.#end(PATH.otherIcmp, PASS);
    if (length < inner + headerBytes + 4) return this.#end(PATH.malformed, DROP);
    const ports = inner + headerBytes;
    if (!this.#isServed(index, v.getUint16(o + ports))) return this.#end(PATH.otherIcmp, PASS);
    const s = this.#state;
    s.clientAddress = v.getInt32(o + inner + 16, true);
    s.virtualAddress = source;
    s.ports = swapHalves(v.getInt32(o + ports, true));
    const flow = s.lookup();
    if (flow < 0) return this.#toBackend(s.maglev(), PATH.icmp, v, o, length);
    const ownership = s.words[(flow + L.FLOW_OWNERSHIP) >> 2]!;
    const prepared = ownership >= L.PHASE_PREPARED;
    const backend = (prepared ? ownership >> L.TARGET_SHIFT : ownership) & L.BACKEND_MASK;
    return this.#toBackend(backend, PATH.icmp, v, o, length);
  }

  #toBackend(backend: number, path: number, v: DataView, o: number, length: number): number {
    if (backend >= L.MAX_BACKENDS) return this.#end(PATH.noBackend, DROP);
    const s = this.#state;
    s.countBackend(backend, length);
    const at = L.AT_BACKENDS + backend * L.BACKEND_BYTES;
    copyMac(s.view, at + L.BACKEND_MAC, v, o);
    copyMac(s.view, at + L.BACKEND_SOURCE_MAC, v, o + 6);
    const port = s.view.getUint16(at + L.BACKEND_PORT, true);
    if (port === L.NONE) return this.#end(path, TRANSMIT);
    this.outPort = port;
    return this.#end(path, REDIRECT);
  }

  #fromBackend(port: number, v: DataView, o: number, transport: number, length: number): number {
    const source = v.getInt32(o + IP + 12, true);
    const index = this.#service(source);
    if (index < 0) return this.#end(PATH.otherAddress, PASS);
    if (v.getUint8(o + IP + 9) !== 6 || (v.getUint16(o + IP + 6) & FRAGMENT_MASK) !== 0)
      return this.#end(PATH.otherProtocol, PASS);
    if (length < transport + TCP_BYTES) return this.#end(PATH.truncated, PASS);
    if (!this.#isServed(index, v.getUint16(o + transport))) return this.#end(PATH.otherPort, PASS);
    const s = this.#state;
    s.clientAddress = v.getInt32(o + IP + 16, true);
    s.virtualAddress = source;
    s.ports = swapHalves(v.getInt32(o + transport, true));
    const flow = s.lookup();
    if (flow < 0) return this.#replyOut(this.tables.words[L.AT_UPLINK >> 2]!, PATH.replyUnknown, port, v, o);
    const ownership = s.words[(flow + L.FLOW_OWNERSHIP) >> 2]!;
    if (this.tables.fence && ownership < L.PHASE_PREPARED) {
      const owner = ownership & L.BACKEND_MASK;
      const mac = L.AT_BACKENDS + owner * L.BACKEND_BYTES + L.BACKEND_MAC;
      // Whoever gets the packets of an owner that is down resets them.
      if (isAlive(s.backendState(owner)) && !sameMac(s.view, mac, v, o + 6))
        return this.#end(PATH.fenced, DROP);
    }
    const tcpFlags = v.getUint8(o + transport + 13);
    touch(s.words, flow);
    const flags = (flow + L.FLOW_FLAGS) >> 2;
    s.words[flags] = s.words[flags]! | serverFlags(tcpFlags);
    s.add64(flow + L.FLOW_BYTES_OUT, length);
    return this.#replyOut(s.words[(flow + L.FLOW_CLIENT_PORT) >> 2]!, PATH.reply, port, v, o);
  }

  #replyOut(clientPort: number, path: number, port: number, v: DataView, o: number): number {
    // A frame for the switch itself is to be routed, which is the kernel's.
    if (sameMac(this.tables.view, L.AT_PORTS + port * L.PORT_BYTES, v, o))
      return this.#end(PATH.replyRouted, PASS);
    if (clientPort >= L.MAX_PORTS) return this.#end(PATH.replyUnknown, PASS);
    this.outPort = clientPort;
    return this.#end(path, REDIRECT);
  }
}

/** Whether a segment asks for a new connection: SYN alone of those that matter. */
function isOpening(flags: number): boolean {
  return (flags & (SYN | ACK | RST | FIN)) === SYN;
}

function isAlive(state: number): boolean {
  return state === L.BACKEND_ACTIVE || state === L.BACKEND_DRAINING;
}

function clientFlags(tcpFlags: number): number {
  return L.FLOW_ESTABLISHED | ((tcpFlags & FIN) << 1) | (tcpFlags & RST);
}

function serverFlags(tcpFlags: number): number {
  return ((tcpFlags & FIN) << 3) | ((tcpFlags & RST) << 2);
}

function touch(words: Int32Array, flow: number): void {
  words[(flow + L.FLOW_LAST_SEEN) >> 2] = words[L.AT_NOW >> 2]!;
}

function swapHalves(word: number): number {
  return (word << 16) | (word >>> 16);
}

function copyMac(from: DataView, at: number, to: DataView, offset: number): void {
  to.setUint32(offset, from.getUint32(at));
  to.setUint16(offset + 4, from.getUint16(at + 4));
}

function sameMac(a: DataView, at: number, b: DataView, offset: number): boolean {
  return a.getUint32(at) === b.getUint32(offset) && a.getUint16(at + 4) === b.getUint16(offset + 4);
}
