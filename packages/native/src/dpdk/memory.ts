// The memory of one port: slots for packets, mbufs that point into them, and a mempool of DPDK's from which its driver takes mbufs to
// receive into. Which mbuf has which slot, and when, is the device's business.
//
//   map: [ slots … | objects of the mempool: header, mbuf (, data) … | mbufs to send with … | pointers ]

import { DemiError, Region } from '@demikernel/memory';
import { type Address, viewOf } from '../kernel/library.ts';
import { type MemoryMap, mapAnonymous, roundUpToPages } from '../kernel/memory-map.ts';
import { dpdkError } from './environment.ts';
import {
  MBUF_ADDRESS,
  MBUF_BUFFER_LENGTH,
  MBUF_BYTES,
  MBUF_DATA_OFFSET_AND_REFERENCES,
  MBUF_HEADROOM_BYTES,
  MBUF_IO_ADDRESS,
  MBUF_NEXT,
  MBUF_POOL,
  MBUF_PORT_NONE,
  MBUF_SEGMENTS_AND_PORT,
  OBJECT_HEADER_BYTES,
  POOL_DEQUEUE,
  POOL_ELEMENT_BYTES,
  POOL_HEADER_BYTES,
  POOL_OPERATIONS,
  POOL_OPERATIONS_BYTES,
  POOL_OPERATIONS_START,
  POOL_PACKED,
  POOL_POPULATED,
  POOL_STRUCTURE_BYTES,
  POOL_TRAILER_BYTES,
} from './layout.ts';
import { type DpdkLibrary, dpdkLibrary, poolCall, symbolAddress } from './library.ts';

const POOL_KIND = 'ring_mp_mc';
const ANY_SOCKET = -1;
const POINTER_BYTES = 8;
/** High word of the first I/O address of a map: half of what 39 bits can say. DPDK's own memory has its addresses from 4 GiB up. */
const IO_FIRST_HIGH = 64;
/** A map is at most 4 GiB, which may begin in one word's worth and end in the next. */
const IO_STRETCHES = 32;

export interface DpdkMemoryOptions {
  name: string;
  slots: number;
  slotSizeBytes: number;
  /** Mbufs that the driver can have to receive into. */
  receiveBuffers: number;
  /** Mbufs to send with. */
  transmitBuffers: number;
  /** The port's number: each has a stretch of I/O addresses of its own. */
  port: number;
  /** Drivers that compute where data lies from where the mbuf lies get data behind their mbufs, to be copied out of there. */
  dataBehindMbuf: boolean;
}

export class DpdkMemory {
  readonly map: MemoryMap;
  /** The slots alone. */
  readonly region: Region;
  /** All of it, in words: mbufs are read and written here, by offset / 4. */
  readonly words: Int32Array;
  /** DPDK's mempool. */
  readonly pool: Address;
  readonly receiveBuffers: number;
  /** Offset of the first mbuf to send with; the others follow every `MBUF_BYTES`. */
  readonly transmitOffset: number;
  /** Offsets of arrays of pointers, with room for all mbufs of their kind. */
  readonly receivePointers: number;
  readonly returnPointers: number;
  readonly transmitPointers: number;
  /** Low and high word of the address of the map. */
  readonly addressLow: number;
  readonly addressHigh: number;
  /**
   * Where a device behind an IOMMU finds the map. IOMMUs address less than processors do (39 bits are usual), so it is not where we
   * find it; the low word is the same.
   */
  readonly ioAddress: Address;
  private readonly ioDifference: number;
  private readonly library: DpdkLibrary;
  private closed: boolean;
  /** Address of the `returnPointers`; private by `#`, as the addresses in port.ts. */
  readonly #returnArray: Address;

  /** @throws DemiError `ERR_DEMI_UNSUPPORTED` when DPDK's structures are not what we know, `ERR_DEMI_DEVICE`, as `mapAnonymous` */
  constructor(options: DpdkMemoryOptions) {
    const { receiveBuffers, slots, slotSizeBytes, transmitBuffers } = options;
    const elementBytes = MBUF_BYTES + (options.dataBehindMbuf ? slotSizeBytes : 0);
    const slotsBytes = roundUpToPages(slots * slotSizeBytes);
    const objectsBytes = roundUpToPages(receiveBuffers * (OBJECT_HEADER_BYTES + elementBytes));
    this.library = dpdkLibrary();
    this.receiveBuffers = receiveBuffers;
    this.transmitOffset = slotsBytes + objectsBytes;
    this.receivePointers = this.transmitOffset + transmitBuffers * MBUF_BYTES;
    this.returnPointers = this.receivePointers + receiveBuffers * POINTER_BYTES;
    this.transmitPointers = this.returnPointers + receiveBuffers * POINTER_BYTES;
    this.map = mapAnonymous({
      lengthBytes: roundUpToPages(this.transmitPointers + transmitBuffers * POINTER_BYTES),
      populate: true,
    });
    this.closed = false;
    this.#returnArray = this.map.addressNumber + this.returnPointers;
    const { map } = this;
    this.region = new Region({
      buffer: viewOf(map.address, slotsBytes),
      address: map.address,
      release: () => map.release(),
    });
    this.words = map.signedWords(0, map.lengthBytes >> 2);
    this.addressLow = Number(BigInt.asIntN(32, map.address));
    this.addressHigh = Number(map.address >> 32n);
    const ioHigh = IO_FIRST_HIGH + 2 * (options.port % IO_STRETCHES);
    this.ioAddress = ioHigh * 2 ** 32 + (this.addressLow >>> 0);
    this.ioDifference = ioHigh - this.addressHigh;
    let pool = 0;
    try {
      pool = this.createPool(options.name, elementBytes);
      this.populate(pool, slotsBytes, objectsBytes);
      this.take(pool, receiveBuffers);
      this.checkLayout(pool, elementBytes);
    } catch (error) {
      if (pool !== 0) this.library.rte_mempool_free(pool);
      map.release();
      throw error;
    }
    this.pool = pool;
    // Drivers size what they ask of a buffer by the pool: struct rte_pktmbuf_pool_private, u16 mbuf_data_room_size first.
    new Uint16Array(viewOf(pool, POOL_STRUCTURE_BYTES + 8), POOL_STRUCTURE_BYTES, 1)[0] = slotSizeBytes;
    if (!options.dataBehindMbuf) {
      const view = map.view();
      for (let i = 0; i < receiveBuffers; i++) {
        const mbuf = this.readPointer((this.returnPointers + i * POINTER_BYTES) >> 2);
        view.setUint16(mbuf + MBUF_BUFFER_LENGTH, slotSizeBytes, true);
      }
    }
    for (let i = 0; i < transmitBuffers; i++)
      this.prepareToSend(this.transmitOffset + i * MBUF_BYTES, slotSizeBytes);
  }

  private createPool(name: string, elementBytes: number): Address {
    const pool = this.library.rte_mempool_create_empty(
      name,
      this.receiveBuffers,
      elementBytes,
      0,
      8,
      ANY_SOCKET,
      POOL_PACKED,
    );
    if (pool === 0)
      throw dpdkError('rte_mempool_create_empty', 0, `making a pool of ${this.receiveBuffers} mbufs`);
    return pool;
  }

  private populate(pool: Address, start: number, lengthBytes: number): void {
    const { library, map, receiveBuffers } = this;
    const kind = library.rte_mempool_set_ops_byname(pool, POOL_KIND, 0);
    if (kind < 0)
      throw dpdkError(
        'rte_mempool_set_ops_byname',
        kind,
        'making a pool (its kind is in librte-mempool-ring23)',
      );
    library.rte_pktmbuf_pool_init(pool, 0);
    const address = map.addressNumber + start;
    const populated = library.rte_mempool_populate_iova(pool, address, address, lengthBytes, 0, 0);
    if (populated < 0) throw dpdkError('rte_mempool_populate_iova', populated, 'giving a pool its memory');
    if (populated !== receiveBuffers) throw unknownLayout(`${populated} of ${receiveBuffers} mbufs fit`);
    library.rte_mempool_obj_iter(pool, symbolAddress('mbuf', 'rte_pktmbuf_init'), 0);
  }

  /** Takes mbufs out of the pool into `returnPointers`: each is given to the driver by whoever knows a slot for it. */
  private take(pool: Address, count: number): void {
    const table = viewOf(symbolAddress('mempool', 'rte_mempool_ops_table'), 4096);
    const index = new Int32Array(viewOf(pool, POOL_STRUCTURE_BYTES))[POOL_OPERATIONS >> 2]!;
    const at = POOL_OPERATIONS_START + index * POOL_OPERATIONS_BYTES;
    if (
      index < 0 ||
      index > 15 ||
      Buffer.from(table, at, POOL_KIND.length + 1).toString() !== `${POOL_KIND}\0`
    )
      throw unknownLayout('its table of pools');
    const take = poolCall(new DataView(table).getBigUint64(at + POOL_DEQUEUE, true));
    const result = take(pool, this.map.addressNumber + this.returnPointers, count);
    if (result < 0) throw dpdkError('rte_mempool_get', result, 'taking mbufs from a new pool');
  }

  /** What the library has written, read back; and what we write, read by the library. */
  private checkLayout(pool: Address, elementBytes: number): void {
    const { library, map, receiveBuffers, returnPointers, words } = this;
    const view = map.view();
    const structure = new Int32Array(viewOf(pool, POOL_STRUCTURE_BYTES));
    const sizes = [POOL_ELEMENT_BYTES, POOL_HEADER_BYTES, POOL_TRAILER_BYTES, POOL_POPULATED].map(
      each => structure[each >> 2],
    );
    if (sizes.join() !== [elementBytes, OBJECT_HEADER_BYTES, 0, receiveBuffers].join())
      throw unknownLayout(`struct rte_mempool (${sizes.join()})`);
    for (let i = 0; i < receiveBuffers; i++) {
      const pointer = view.getBigUint64(returnPointers + i * POINTER_BYTES, true);
      const at = Number(pointer - map.address);
      if (at < this.region.lengthBytes || at > this.transmitOffset - elementBytes || (at & 63) !== 0)
        throw unknownLayout(`an mbuf at ${at}`);
      const known =
        view.getBigUint64(at + MBUF_ADDRESS, true) === pointer + BigInt(MBUF_BYTES) &&
        view.getUint16(at + MBUF_BUFFER_LENGTH, true) === elementBytes - MBUF_BYTES &&
        view.getBigUint64(at + MBUF_POOL, true) === BigInt(pool) &&
        view.getBigUint64(at + MBUF_NEXT, true) === 0n &&
        words[(at + MBUF_DATA_OFFSET_AND_REFERENCES) >> 2]! >>> 16 === 1 &&
        words[(at + MBUF_SEGMENTS_AND_PORT) >> 2] === ((MBUF_PORT_NONE << 16) | 1);
      if (!known) throw unknownLayout('struct rte_mbuf');
    }
    // Freed with two references, one is left; freed with one, it is in the pool and a single segment again.
    const first = map.addressNumber + returnPointers;
    const at = Number(view.getBigUint64(returnPointers, true) - map.address);
    view.setUint16(at + MBUF_DATA_OFFSET_AND_REFERENCES + 2, 2, true);
    library.rte_pktmbuf_free_bulk(first, 1);
    const kept = library.rte_mempool_avail_count(pool) === 0;
    const left = view.getUint16(at + MBUF_DATA_OFFSET_AND_REFERENCES + 2, true);
    library.rte_pktmbuf_free_bulk(first, 1);
    const freed = library.rte_mempool_avail_count(pool);
    if (!kept || left !== 1 || freed !== 1) throw unknownLayout('the reference count of an mbuf');
    this.take(pool, 1);
  }

  private prepareToSend(at: number, lengthBytes: number): void {
    const view = this.map.view();
    view.setUint16(at + MBUF_DATA_OFFSET_AND_REFERENCES + 2, 1, true);
    view.setUint16(at + MBUF_SEGMENTS_AND_PORT, 1, true);
    view.setUint16(at + MBUF_SEGMENTS_AND_PORT + 2, MBUF_PORT_NONE, true);
    view.setUint16(at + MBUF_BUFFER_LENGTH, lengthBytes, true);
  }

  /** Has an mbuf point to a slot: by its address, and by the one that a device behind an IOMMU has for it. */
  point(mbufWord: number, offset: number): void {
    const { addressHigh, addressLow, words } = this;
    const low = (addressLow + offset) | 0;
    // Compared as unsigned numbers: the sum has gone over 2^32.
    const high = (low ^ -0x80000000) < (addressLow ^ -0x80000000) ? addressHigh + 1 : addressHigh;
    words[mbufWord + (MBUF_ADDRESS >> 2)] = low;
    words[mbufWord + (MBUF_ADDRESS >> 2) + 1] = high;
    words[mbufWord + (MBUF_IO_ADDRESS >> 2)] = low;
    words[mbufWord + (MBUF_IO_ADDRESS >> 2) + 1] = high + this.ioDifference;
  }

  /** Writes the address of a byte of the map at a word of it. */
  writePointer(word: number, offset: number): void {
    const { addressHigh, addressLow, words } = this;
    const low = (addressLow + offset) | 0;
    words[word] = low;
    words[word + 1] = (low ^ -0x80000000) < (addressLow ^ -0x80000000) ? addressHigh + 1 : addressHigh;
  }

  /** The offset in the map that the pointer at a word stands for. */
  readPointer(word: number): number {
    return (this.words[word]! - this.addressLow) | 0;
  }

  /** Gives mbufs, `count` pointers from the beginning of `returnPointers`, to the pool that the driver takes them from. */
  supply(count: number): void {
    this.library.rte_pktmbuf_free_bulk(this.#returnArray, count);
  }

  /** The port must be closed. The slots' memory goes with the region. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.library.rte_mempool_free(this.pool);
    this.region.release();
  }
}

/** What a driver leaves in front of a frame. */
export const FRAME_HEADROOM_BYTES: number = MBUF_HEADROOM_BYTES;

function unknownLayout(what: string): DemiError {
  return new DemiError(
    'ERR_DEMI_UNSUPPORTED',
    `${dpdkLibrary().rte_version()} is not laid out as known here: ${what}`,
  );
}
