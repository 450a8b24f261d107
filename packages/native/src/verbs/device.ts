// An RDMA device of librdmacm: protection domain, memory registrations, one completion queue, one shared receive queue, and the
// queue pairs that use them. Connections are made by connection-manager.ts.

import { DemiError, type Region } from '@demikernel/memory';
import { setNonBlocking } from '../kernel/descriptor.ts';
import { systemError } from '../kernel/errno.ts';
import { type Address, errno, viewOf } from '../kernel/library.ts';
import { type MemoryMap, mapAnonymous } from '../kernel/memory-map.ts';
import { IBV_ACCESS_LOCAL_WRITE, IBV_ACCESS_REMOTE_READ } from './constants.ts';
import { type VerbsCall, type VerbsLibrary, verbsCall, verbsLibrary } from './library.ts';

// struct ibv_context, function table
const POLL_CQ = 96;
const REQ_NOTIFY_CQ = 104;
const POST_SRQ_RECV = 168;
const POST_SEND = 208;
const CONTEXT_BYTES = 232;

/** sizeof(struct ibv_wc); its fields in 32-bit words. */
export const COMPLETION_WORDS = 12;
export const WC_ID = 0;
export const WC_STATUS = 2;
export const WC_OPCODE = 3;
export const WC_LENGTH = 5;
export const WC_IMMEDIATE = 6;
export const WC_QP = 7;
export const WC_FLAGS = 9;

/** SGEs of one work request. */
export const MOST_PIECES = 30;
const SGE_WORDS = 4;
// Where things lie in the one page that calls are made from.
const SEND_REQUEST = 0;
const RECEIVE_REQUEST = 128;
const BAD_REQUEST = 160;
const RECEIVE_PIECE = 176;
const PIECES = 256;
const COMPLETIONS = 1024;

export interface VerbsDeviceOptions {
  /** As in `rdma link`. Default: the first. */
  device?: string;
  region: Region;
  /** Completions that may wait. */
  completions: number;
  /** Receives that may be posted. */
  receives: number;
  /** Whether peers with our key may read the region. */
  remoteRead: boolean;
  /** Completions taken by one poll. */
  batch: number;
}

/** Reads a number of native memory. */
export function readNative32(address: Address, offset: number): number {
  return new DataView(viewOf(address + offset, 4)).getUint32(0, true);
}

export function readNative64(address: Address, offset: number): bigint {
  return new DataView(viewOf(address + offset, 8)).getBigUint64(0, true);
}

/** Names of the RDMA devices here. @throws ERR_DEMI_UNSUPPORTED without rdma-core */
export function rdmaDevices(): string[] {
  const library = verbsLibrary();
  return withDevices(library, contexts =>
    contexts.map(context => library.ibv_get_device_name(Number(readNative64(context, 0)))),
  );
}

function withDevices<T>(library: VerbsLibrary, use: (contexts: readonly Address[]) => T): T {
  const scratch = mapAnonymous({ lengthBytes: 4096 });
  const list = library.rdma_get_devices(scratch.addressNumber);
  try {
    const count = list === 0 ? 0 : scratch.view().getInt32(0, true);
    const contexts: Address[] = [];
    for (let i = 0; i < count; i++) contexts.push(Number(readNative64(list, 8 * i)));
    return use(contexts);
  } finally {
    // The contexts are librdmacm's own and stay open: every id on the device uses the same.
    if (list !== 0) library.rdma_free_devices(list);
    scratch.unmap();
  }
}

/** One device, opened. */
export class VerbsDevice {
  readonly name: string;
  readonly library: VerbsLibrary;
  readonly context: Address;
  readonly domain: Address;
  readonly completionQueue: Address;
  readonly receiveQueue: Address;
  /** Becomes readable after `requestNotification`. */
  readonly notificationFd: number;
  /** What peers name our region by; 0 without `remoteRead`. */
  readonly remoteKey: number;
  /** The completions of the last poll, {@link COMPLETION_WORDS} words each. */
  readonly completions: Int32Array;
  private readonly page: MemoryMap;
  private readonly words: Int32Array;
  private readonly doubleWords: BigUint64Array;
  private readonly pageAddress: Address;
  private readonly completionsAddress: Address;
  private readonly region: Address;
  private readonly localKey: number;
  private readonly regionLow: number;
  private readonly regionHigh: number;
  private readonly channel: Address;
  private readonly batch: number;
  private readonly pollCq: VerbsCall;
  private readonly requestNotify: VerbsCall;
  private readonly postReceiveCall: VerbsCall;
  private readonly postSendCall: VerbsCall;
  private pieces: number;
  private unacknowledged: number;
  private closed: boolean;

  /** @throws ERR_DEMI_UNSUPPORTED without a device, ERR_DEMI_SYSCALL, ERR_DEMI_PERMISSION */
  constructor(options: VerbsDeviceOptions) {
    this.library = verbsLibrary();
    const { library } = this;
    const { context, name } = findDevice(library, options.device);
    this.context = context;
    this.name = name;
    this.page = mapAnonymous({ lengthBytes: 4096, populate: true });
    this.words = this.page.signedWords(0, 1024);
    this.doubleWords = new BigUint64Array(this.page.buffer, 0, 512);
    this.pageAddress = this.page.addressNumber;
    this.completionsAddress = this.pageAddress + COMPLETIONS;
    this.batch = Math.min(options.batch, 64);
    this.completions = this.page.signedWords(COMPLETIONS, this.batch * COMPLETION_WORDS);
    const table = new BigUint64Array(viewOf(context, CONTEXT_BYTES), 0, CONTEXT_BYTES >> 3);
    this.pollCq = verbsCall(table[POLL_CQ >> 3]!, 'int');
    this.requestNotify = verbsCall(table[REQ_NOTIFY_CQ >> 3]!, 'int');
    this.postReceiveCall = verbsCall(table[POST_SRQ_RECV >> 3]!, 'address');
    this.postSendCall = verbsCall(table[POST_SEND >> 3]!, 'address');
    this.pieces = 0;
    this.unacknowledged = 0;
    this.closed = false;
    const { region } = options;
    this.domain = made(library.ibv_alloc_pd(context), 'ibv_alloc_pd');
    const access = IBV_ACCESS_LOCAL_WRITE | (options.remoteRead ? IBV_ACCESS_REMOTE_READ : 0);
    this.region = made(
      library.ibv_reg_mr(this.domain, Number(region.address), region.lengthBytes, access),
      'ibv_reg_mr',
    );
    this.localKey = readNative32(this.region, 36) | 0;
    this.remoteKey = options.remoteRead ? readNative32(this.region, 40) | 0 : 0;
    this.regionLow = Number(region.address & 0xffff_ffffn);
    this.regionHigh = Number(region.address >> 32n);
    this.channel = made(library.ibv_create_comp_channel(context), 'ibv_create_comp_channel');
    this.notificationFd = readNative32(this.channel, 8) | 0;
    setNonBlocking(this.notificationFd);
    this.completionQueue = made(
      library.ibv_create_cq(context, options.completions, 0, this.channel, 0),
      'ibv_create_cq',
    );
    // struct ibv_srq_init_attr: max_wr@8, max_sge@12
    this.words.fill(0, 0, 8);
    this.words[2] = options.receives;
    this.words[3] = 1;
    this.receiveQueue = made(library.ibv_create_srq(this.domain, this.pageAddress), 'ibv_create_srq');
    this.words.fill(0, 0, 8);
  }

  /** Takes completions. How many, or a negative number when the queue is lost. */
  poll(): number {
    return this.pollCq(this.completionQueue, this.batch, this.completionsAddress);
  }

  /** The next completion makes `notificationFd` readable; poll once more behind it. */
  requestNotification(): void {
    this.requestNotify(this.completionQueue, 0, 0);
  }

  /** Takes one notification, if there is one. */
  takeNotification(): void {
    const { library, pageAddress } = this;
    if (library.ibv_get_cq_event(this.channel, pageAddress + 240, pageAddress + 248) === 0)
      this.unacknowledged++;
  }

  /** Posts memory of the region for one message. 0 or an errno. */
  postReceive(id: number, offset: number, lengthBytes: number): number {
    const { words, doubleWords } = this;
    // struct ibv_recv_wr: wr_id@0 next@8 sg_list@16 num_sge@24
    const at = RECEIVE_REQUEST >> 2;
    words[at] = id;
    words[at + 1] = 0;
    words[at + 6] = 1;
    if (doubleWords[(RECEIVE_REQUEST + 16) >> 3] === 0n)
      doubleWords[(RECEIVE_REQUEST + 16) >> 3] = BigInt(this.pageAddress + RECEIVE_PIECE);
    this.writePiece(RECEIVE_PIECE >> 2, offset, lengthBytes);
    return this.postReceiveCall(
      this.receiveQueue,
      this.pageAddress + RECEIVE_REQUEST,
      this.pageAddress + BAD_REQUEST,
    );
  }

  private writePiece(at: number, offset: number, lengthBytes: number): void {
    const { words } = this;
    const low = this.regionLow + offset;
    words[at] = low | 0;
    words[at + 1] = this.regionHigh + (low > 0xffff_ffff ? 1 : 0);
    words[at + 2] = lengthBytes;
    words[at + 3] = this.localKey;
  }

  /** Adds bytes of the region to the request that `postSend` posts. */
  addPiece(offset: number, lengthBytes: number): void {
    this.writePiece((PIECES >> 2) + this.pieces * SGE_WORDS, offset, lengthBytes);
    this.pieces++;
  }

  /**
   * Posts one work request of the pieces added. 0 or an errno.
   *
   * @param immediate as the peer sees it, in the order of this machine
   */
  postSend(queuePair: Address, id: number, opcode: number, flags: number, immediate: number): number {
    const { words, doubleWords } = this;
    // struct ibv_send_wr: wr_id@0 next@8 sg_list@16 num_sge@24 opcode@28 flags@32 imm@36
    words[0] = id;
    words[1] = 0;
    if (doubleWords[(SEND_REQUEST + 16) >> 3] === 0n) doubleWords[2] = BigInt(this.pageAddress + PIECES);
    words[6] = this.pieces;
    words[7] = opcode;
    words[8] = flags;
    words[9] = immediate;
    this.pieces = 0;
    return this.postSendCall(queuePair, this.pageAddress, this.pageAddress + BAD_REQUEST);
  }

  /** What an RDMA READ posted next reads: 64 bits of address as two words, and the peer's key. */
  setRemote(low: number, high: number, key: number): void {
    this.words[10] = low;
    this.words[11] = high;
    this.words[12] = key;
  }

  /** Where our region begins, as peers name it. */
  get regionAddress(): bigint {
    return (BigInt(this.regionHigh) << 32n) | BigInt(this.regionLow);
  }

  /** Gives everything back; no queue pair may be left. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { library } = this;
    library.ibv_destroy_srq(this.receiveQueue);
    if (this.unacknowledged > 0) library.ibv_ack_cq_events(this.completionQueue, this.unacknowledged);
    library.ibv_destroy_cq(this.completionQueue);
    library.ibv_destroy_comp_channel(this.channel);
    library.ibv_dereg_mr(this.region);
    library.ibv_dealloc_pd(this.domain);
    this.page.unmap();
  }
}

function findDevice(library: VerbsLibrary, wanted: string | undefined): { context: Address; name: string } {
  return withDevices(library, contexts => {
    const known: string[] = [];
    for (const context of contexts) {
      const name = library.ibv_get_device_name(Number(readNative64(context, 0)));
      if (wanted === undefined || wanted === name) return { context, name };
      known.push(name);
    }
    const advice = 'soft-RoCE: modprobe rdma_rxe, rdma link add rxe0 type rxe netdev eth0';
    const there = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
    throw new DemiError('ERR_DEMI_UNSUPPORTED', `no RDMA device ${wanted ?? ''}: ${there} (${advice})`);
  });
}

function made(address: Address, call: string): Address {
  if (address !== 0) return address;
  throw systemError(call, {
    errno: errno(),
    detail: 'opening an RDMA device',
    capabilities: ['CAP_IPC_LOCK'],
  });
}
