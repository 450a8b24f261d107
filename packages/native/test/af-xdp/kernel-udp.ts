// A kernel UDP socket used synchronously: the other end of the tests.

import { readFileSync } from 'node:fs';
import { check, closeDescriptor, libc, type MemoryMap, mapAnonymous } from '../../src/kernel/index.ts';

export class KernelUdp {
  readonly #fd: number;
  readonly #memory: MemoryMap;

  /** Binds in the namespace of the moment. */
  constructor(address: string, port: number) {
    this.#fd = check(libc().socket(2, 2, 0), 'socket');
    this.#memory = mapAnonymous({ lengthBytes: 16384 });
    this.#address(address, port);
    check(libc().bind(this.#fd, this.#memory.addressNumber, 16), 'bind');
  }

  send(address: string, port: number, payload: Uint8Array): number {
    this.#address(address, port);
    this.#memory.bytes().set(payload, 64);
    const at = this.#memory.addressNumber;
    return libc().sendto(this.#fd, at + 64, payload.length, 0, at, 16);
  }

  /** One datagram, or `undefined` after `timeoutMs`. */
  receive(timeoutMs = 1000): Buffer | undefined {
    const view = this.#memory.view();
    view.setInt32(0, this.#fd, true);
    view.setUint32(4, 1, true);
    const at = this.#memory.addressNumber;
    if (libc().poll(at, 1, timeoutMs) !== 1) return undefined;
    const length = libc().recv(this.#fd, at + 64, 16000, 0);
    return length < 0 ? undefined : Buffer.from(this.#memory.bytes().slice(64, 64 + length));
  }

  /** Datagrams this namespace has dropped for their checksum. */
  checksumErrors(): number {
    const [names, values] = readFileSync('/proc/thread-self/net/snmp', 'utf8')
      .split('\n')
      .filter(line => line.startsWith('Udp:'))
      .map(line => line.split(' '));
    return Number(values![names!.indexOf('InCsumErrors')]);
  }

  close(): void {
    closeDescriptor(this.#fd);
    this.#memory.release();
  }

  #address(address: string, port: number): void {
    const view = this.#memory.view();
    view.setUint16(0, 2, true);
    view.setUint16(2, port);
    for (const [i, part] of address.split('.').entries()) view.setUint8(4 + i, Number(part));
  }
}
