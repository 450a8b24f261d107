// Connections by librdmacm: names, listening, connecting, and the events that say how it went. Nothing here waits.

import { setNonBlocking } from '../kernel/descriptor.ts';
import { systemError } from '../kernel/errno.ts';
import { type Address, errno, viewOf } from '../kernel/library.ts';
import { type MemoryMap, mapAnonymous } from '../kernel/memory-map.ts';
import { SocketAddress } from '../kernel/socket-address.ts';
import { IBV_QPT_RC, RDMA_PS_TCP } from './constants.ts';
import { readNative32, readNative64, type VerbsDevice } from './device.ts';
import { type VerbsLibrary, verbsLibrary } from './library.ts';

// struct rdma_cm_id: the queue pair, and both addresses as sockaddr
const ID_QP = 24;
const ID_LOCAL = 32;
const ID_REMOTE = 160;
const EVENT_BYTES = 40;
const PARAMETERS = 512;
const PRIVATE_DATA = 640;
const RESOLVE_TIMEOUT_MS = 2000;

export interface QueuePairOptions {
  sends: number;
  pieces: number;
  inlineBytes: number;
}

/** One event, copied; valid until the next. */
export interface ConnectionEvent {
  id: Address;
  listenId: Address;
  kind: number;
  status: number;
  /** What the peer has said with its request or answer. */
  data: Uint8Array;
}

/** The event channel of one library OS, and calls on its ids. Calls return 0 or a positive errno. */
export class ConnectionManager {
  readonly fd: number;
  private readonly library: VerbsLibrary;
  private readonly channel: Address;
  private readonly page: MemoryMap;
  private readonly view: DataView;
  private readonly scratch: SocketAddress;

  /** @throws ERR_DEMI_SYSCALL, ERR_DEMI_UNSUPPORTED */
  constructor() {
    this.library = verbsLibrary();
    this.channel = this.library.rdma_create_event_channel();
    if (this.channel === 0) {
      throw systemError('rdma_create_event_channel', {
        errno: errno(),
        detail: 'is rdma_ucm loaded (modprobe rdma_ucm)?',
      });
    }
    this.fd = readNative32(this.channel, 0) | 0;
    setNonBlocking(this.fd);
    this.page = mapAnonymous({ lengthBytes: 4096 });
    this.view = this.page.view();
    this.scratch = new SocketAddress();
  }

  /** A new id, or a negative errno. */
  create(): Address {
    const result = this.library.rdma_create_id(this.channel, this.page.addressNumber, 0, RDMA_PS_TCP);
    return result === 0 ? Number(this.view.getBigUint64(0, true)) : -errno();
  }

  private outcome(result: number): number {
    return result === 0 ? 0 : errno();
  }

  bind(id: Address, ipv4: number, port: number): number {
    this.scratch.setIpv4(ipv4, port);
    return this.outcome(this.library.rdma_bind_addr(id, this.scratch.address));
  }

  listen(id: Address, backlog: number): number {
    return this.outcome(this.library.rdma_listen(id, backlog));
  }

  resolveAddress(id: Address, ipv4: number, port: number): number {
    this.scratch.setIpv4(ipv4, port);
    return this.outcome(this.library.rdma_resolve_addr(id, 0, this.scratch.address, RESOLVE_TIMEOUT_MS));
  }

  resolveRoute(id: Address): number {
    return this.outcome(this.library.rdma_resolve_route(id, RESOLVE_TIMEOUT_MS));
  }

  /** Makes the queue pair of an id. Its address, or a negative errno. */
  createQueuePair(id: Address, device: VerbsDevice, options: QueuePairOptions): Address {
    const { view } = this;
    // struct ibv_qp_init_attr
    const at = 256;
    for (let i = 0; i < 64; i += 8) view.setBigUint64(at + i, 0n, true);
    view.setBigUint64(at + 8, BigInt(device.completionQueue), true);
    view.setBigUint64(at + 16, BigInt(device.completionQueue), true);
    view.setBigUint64(at + 24, BigInt(device.receiveQueue), true);
    view.setUint32(at + 32, options.sends, true);
    view.setUint32(at + 40, options.pieces, true);
    view.setUint32(at + 48, options.inlineBytes, true);
    view.setUint32(at + 52, IBV_QPT_RC, true);
    const result = this.library.rdma_create_qp(id, device.domain, this.page.addressNumber + at);
    return result === 0 ? Number(readNative64(id, ID_QP)) : -errno();
  }

  /** Number of a queue pair, as completions name it. */
  queuePairNumber(queuePair: Address): number {
    return readNative32(queuePair, 52);
  }

  private parameters(data: Uint8Array): Address {
    const { view } = this;
    // struct rdma_conn_param: private_data@0 len@8 responder_resources@9 initiator_depth@10 flow_control@11 retry@12 rnr_retry@13
    for (let i = 0; i < 24; i += 8) view.setBigUint64(PARAMETERS + i, 0n, true);
    this.page.bytes().set(data, PRIVATE_DATA);
    view.setBigUint64(PARAMETERS, BigInt(this.page.addressNumber + PRIVATE_DATA), true);
    view.setUint8(PARAMETERS + 8, data.length);
    view.setUint8(PARAMETERS + 9, 16);
    view.setUint8(PARAMETERS + 10, 16);
    view.setUint8(PARAMETERS + 12, 7);
    // Receiver not ready never happens: if it does, it is an error to be seen.
    view.setUint8(PARAMETERS + 13, 0);
    return this.page.addressNumber + PARAMETERS;
  }

  /** @param data 56 bytes at most */
  connect(id: Address, data: Uint8Array): number {
    return this.outcome(this.library.rdma_connect(id, this.parameters(data)));
  }

  accept(id: Address, data: Uint8Array): number {
    return this.outcome(this.library.rdma_accept(id, this.parameters(data)));
  }

  reject(id: Address): number {
    return this.outcome(this.library.rdma_reject(id, 0, 0));
  }

  disconnect(id: Address): number {
    return this.outcome(this.library.rdma_disconnect(id));
  }

  destroyQueuePair(id: Address): void {
    this.library.rdma_destroy_qp(id);
  }

  destroy(id: Address): void {
    this.library.rdma_destroy_id(id);
  }

  /** The next event, or `undefined`. What it says is copied before it is acknowledged. */
  next(): ConnectionEvent | undefined {
    const { library, view } = this;
    if (library.rdma_get_cm_event(this.channel, this.page.addressNumber) !== 0) return undefined;
    const address = Number(view.getBigUint64(0, true));
    const event = new DataView(viewOf(address, EVENT_BYTES));
    const dataAddress = Number(event.getBigUint64(24, true));
    const lengthBytes = dataAddress === 0 ? 0 : event.getUint8(32);
    const copy: ConnectionEvent = {
      id: Number(event.getBigUint64(0, true)),
      listenId: Number(event.getBigUint64(8, true)),
      kind: event.getInt32(16, true),
      status: event.getInt32(20, true),
      data: lengthBytes === 0 ? new Uint8Array(0) : new Uint8Array(viewOf(dataAddress, lengthBytes)).slice(),
    };
    library.rdma_ack_cm_event(address);
    return copy;
  }

  /** IPv4 address and port of an id's own end, or its peer's. */
  addressOf(id: Address, end: 'local' | 'remote'): { ipv4: number; port: number } {
    const name = new DataView(viewOf(id + (end === 'local' ? ID_LOCAL : ID_REMOTE), 8));
    return { ipv4: name.getInt32(4, false), port: name.getUint16(2, false) };
  }

  /** Every id must be destroyed. */
  close(): void {
    this.library.rdma_destroy_event_channel(this.channel);
    this.scratch.close();
    this.page.unmap();
  }
}
