// What one backend says and hears on the control port, for tests that speak the protocol by hand.

import assert from 'node:assert/strict';
import * as kernel from '@demikernel/native/kernel';
import * as H from '../../src/tcpmig/header.ts';
import { backendAddress, ready, SWITCH_ADDRESS, type SwitchTestbed } from './testbed.ts';

const WAIT_US = 3_000_000;

export class Agent {
  readonly id: number;
  readonly #mac: H.HeaderMac;
  readonly #out: number;
  readonly #in: number;
  readonly #bytes: Buffer;
  /** The start of the switch that it knows. */
  boot = 0;

  constructor(bed: SwitchTestbed, id: number, mac: H.HeaderMac) {
    this.id = id;
    this.#mac = mac;
    // One socket hears the switch, the other its peers, whose messages come from their own addresses.
    const [name, address] = [bed.backends[id]!, backendAddress(id)];
    this.#out = bed.udp(name, address, H.MIGRATION_PORT, { address: SWITCH_ADDRESS, port: H.MIGRATION_PORT });
    this.#in = bed.udp(name, address, H.MIGRATION_PORT);
    this.#bytes = Buffer.alloc(256);
  }

  send(stage: number, fields: Partial<H.MigrationHeader>): void {
    const h = new H.MigrationHeader();
    Object.assign(h, fields);
    h.stage = stage;
    h.sender = this.id;
    h.boot = this.boot;
    const bytes = Buffer.alloc(H.HEADER_BYTES);
    H.writeHeader(h, new DataView(bytes.buffer, bytes.byteOffset), 0, this.#mac);
    this.sendBytes(bytes);
  }

  sendBytes(bytes: Buffer): void {
    assert.equal(kernel.libc().writeBuffer(this.#out, bytes, bytes.length), bytes.length);
  }

  /** The next message from the switch itself, or from a peer. */
  receive(from: 'switch' | 'peer'): H.MigrationHeader {
    const fd = from === 'switch' ? this.#out : this.#in;
    assert.ok(ready(fd, kernel.POLLIN, WAIT_US), `backend ${this.id} hears nothing from the ${from}`);
    const got = kernel.libc().readBuffer(fd, this.#bytes, this.#bytes.length);
    const h = new H.MigrationHeader();
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    assert.ok(H.parseHeader(h, view, 0, got, this.#mac));
    if (h.boot !== 0) this.boot = h.boot;
    return h;
  }
}
