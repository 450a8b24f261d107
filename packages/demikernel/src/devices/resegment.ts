// Cuts what a local sender's segmentation offload left whole (one long TCP frame) into the frames the sender meant.

const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const TCP = 6;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;

/** One long frame at a time: `begin`, then `next` until it returns 0. TCP checksums are not made: they are not needed. */
export class Resegmenter {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private start: number;
  private ipBytes: number;
  private headerBytes: number;
  private payloadBytes: number;
  private segmentBytes: number;
  private done: number;

  /** @param buffer where long frames lie and short ones go */
  constructor(buffer: ArrayBuffer) {
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.start = 0;
    this.ipBytes = 0;
    this.headerBytes = 0;
    this.payloadBytes = 0;
    this.segmentBytes = 0;
    this.done = 0;
  }

  /** Whether `next` has something to give. */
  get active(): boolean {
    return this.done < this.payloadBytes;
  }

  /**
   * Looks at a frame of `length` bytes at `start` of the memory.
   *
   * @returns false when it is no TCP over IPv4, when its lengths disagree, or when `segmentBytes` makes no sense
   */
  begin(start: number, length: number, segmentBytes: number): boolean {
    const source = this.view;
    this.cancel();
    if (length < ETHERNET_BYTES + 40 || segmentBytes <= 0) return false;
    if (source.getUint16(start + 12) !== IPV4) return false;
    const ip = start + ETHERNET_BYTES;
    const ipBytes = (source.getUint8(ip) & 15) * 4;
    if (source.getUint8(ip) >>> 4 !== 4 || ipBytes < 20 || source.getUint8(ip + 9) !== TCP) return false;
    if (ETHERNET_BYTES + ipBytes + 20 > length) return false;
    const tcpBytes = (source.getUint8(ip + ipBytes + 12) >>> 4) * 4;
    const headerBytes = ETHERNET_BYTES + ipBytes + tcpBytes;
    const whole = ETHERNET_BYTES + source.getUint16(ip + 2);
    if (tcpBytes < 20 || whole > length || whole <= headerBytes) return false;
    this.start = start;
    this.ipBytes = ipBytes;
    this.headerBytes = headerBytes;
    this.payloadBytes = whole - headerBytes;
    this.segmentBytes = segmentBytes;
    return true;
  }

  /** Gives the frame up. */
  cancel(): void {
    this.payloadBytes = 0;
    this.done = 0;
  }

  /** Bytes of the longest frame that `next` will write. */
  get frameBytes(): number {
    return this.headerBytes + Math.min(this.segmentBytes, this.payloadBytes);
  }

  /** Writes the next frame at `offset`. Returns its length, 0 when there is none left. */
  next(offset: number): number {
    const { bytes, headerBytes, done, start, view } = this;
    const length = Math.min(this.segmentBytes, this.payloadBytes - done);
    if (length <= 0) return 0;
    bytes.copyWithin(offset, start, start + headerBytes);
    const payload = start + headerBytes + done;
    bytes.copyWithin(offset + headerBytes, payload, payload + length);
    const ip = offset + ETHERNET_BYTES;
    const tcp = ip + this.ipBytes;
    const index = (done / this.segmentBytes) | 0;
    view.setUint16(ip + 2, headerBytes - ETHERNET_BYTES + length);
    view.setUint16(ip + 4, (view.getUint16(ip + 4) + index) & 0xffff);
    view.setUint16(ip + 10, 0);
    let sum = 0;
    for (let i = 0; i < this.ipBytes; i += 2) sum += view.getUint16(ip + i);
    sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(ip + 10, ~(sum + (sum >>> 16)) & 0xffff);
    view.setInt32(tcp + 4, view.getInt32(tcp + 4) + done);
    let flags = view.getUint8(tcp + 13);
    if (done !== 0) flags &= ~TCP_CWR;
    this.done = done + length;
    if (this.done < this.payloadBytes) flags &= ~(TCP_FIN | TCP_PSH);
    view.setUint8(tcp + 13, flags);
    return headerBytes + length;
  }
}
