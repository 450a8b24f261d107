// A kernel UDP socket used synchronously: the unmodified peer of the device tests.

import { readFileSync } from 'node:fs';
import { check, closeDescriptor, libc, type MemoryMap, mapAnonymous } from '@demikernel/native/kernel';

const PAYLOAD_AT = 64;

export class KernelUdp {
  readonly #fd: number;
  readonly #memory: MemoryMap;
  readonly #bytes: Uint8Array;

  /** Binds in the namespace of the moment; `connect` fixes the peer, so that a send does no lookup. */
  constructor(address: string, port: number) {
    this.#fd = check(libc().socket(2, 2, 0), 'socket');
    this.#memory = mapAnonymous({ lengthBytes: 65536 });
    this.#bytes = this.#memory.bytes();
    this.#address(address, port);
    check(libc().bind(this.#fd, this.#memory.addressNumber, 16), 'bind');
  }

  connect(address: string, port: number): void {
    this.#address(address, port);
    check(libc().connect(this.#fd, this.#memory.addressNumber, 16), 'connect');
  }

  /** Sends to the connected peer. */
  send(payload: Uint8Array): void {
    this.#bytes.set(payload, PAYLOAD_AT);
    check(libc().send(this.#fd, this.#memory.addressNumber + PAYLOAD_AT, payload.length, 0), 'send');
  }

  /** Sends the last payload again. */
  sendAgain(lengthBytes: number): void {
    libc().send(this.#fd, this.#memory.addressNumber + PAYLOAD_AT, lengthBytes, 0);
  }

  /** Length of one datagram that is there, or -1: does not block. */
  poll(): number {
    return libc().recv(this.#fd, this.#memory.addressNumber + PAYLOAD_AT, 65000, 0x40);
  }

  /** One datagram, or `undefined` after `timeoutMs`. */
  receive(timeoutMs = 1000): Buffer | undefined {
    const view = this.#memory.view();
    view.setInt32(0, this.#fd, true);
    view.setUint32(4, 1, true);
    const at = this.#memory.addressNumber;
    if (libc().poll(at, 1, timeoutMs) !== 1) return undefined;
    const length = libc().recv(this.#fd, at + PAYLOAD_AT, 65000, 0);
    return length < 0 ? undefined : Buffer.from(this.#bytes.slice(PAYLOAD_AT, PAYLOAD_AT + length));
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

/** A counter of `/proc/net/snmp` in the namespace of the moment, for example `Udp`, `InCsumErrors`. */
export function kernelCounter(protocol: string, name: string): number {
  const [names, values] = readFileSync('/proc/thread-self/net/snmp', 'utf8')
    .split('\n')
    .filter(line => line.startsWith(`${protocol}:`))
    .map(line => line.split(' '));
  return Number(values![names!.indexOf(name)]);
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), part => Number.parseInt(part, 16));
}
