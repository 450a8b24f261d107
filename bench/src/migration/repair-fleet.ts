// The same connection on the kernel's TCP: moved by TCP_REPAIR through the same switch, without any messages. The switch's entry is set
// from its own process, which costs nothing: what is measured is freezing, reading out, putting together and resuming, in its favour.

import {
  abandon,
  decodeConnection,
  encodeConnection,
  exportConnection,
  type Flow,
  FlowHold,
  freeze,
  importConnection,
} from '@demikernel/capybara/repair';
import * as kernel from '@demikernel/native/kernel';
import { addressNumber, CLIENT_ADDRESS, PORT, VIRTUAL_ADDRESS } from '../testbed/moving-addresses.ts';
import { MovingPlace } from '../testbed/moving-place.ts';
import { nowUs } from './stack-fleet.ts';

const RECEIVE_BUFFER_BYTES = 1 << 20;

/** The backends' kernels, and who has the connection. */
export class RepairFleet {
  readonly place: MovingPlace;
  owner: number;
  fd: number;
  /** When the last move began, in µs: the connection is frozen from then on. */
  frozenUs: number;
  readonly #holds: FlowHold[];
  #listener: number;
  #flow: Flow | undefined;
  #epoch: number;
  #released: (() => void) | undefined;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.place = new MovingPlace({ kernelBackends: true });
    this.owner = -1;
    this.fd = -1;
    this.frozenUs = 0;
    this.#holds = [];
    this.#listener = -1;
    this.#flow = undefined;
    this.#epoch = 0;
    this.#released = undefined;
    try {
      for (const name of this.place.backends)
        this.#holds.push(
          kernel.runInNamespace(name, () => new FlowHold({ ifindex: kernel.linkIndex('eth0') })),
        );
      // Round robin: only the first one takes new connections.
      this.place.balancer.setState(1, 'draining');
      this.#listener = kernel.runInNamespace(this.place.backends[0]!, listen);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Takes the connection, once it is there. */
  turn(): void {
    if (this.owner >= 0) return;
    const peer = new kernel.SocketAddress();
    const fd = kernel.acceptSocket(this.#listener, peer);
    if (fd >= 0) {
      this.fd = fd;
      this.owner = 0;
      this.#flow = {
        local: { address: VIRTUAL_ADDRESS, port: PORT },
        remote: { address: CLIENT_ADDRESS, port: peer.port },
      };
      this.place.balancer.setState(1, 'active');
      kernel.setSocketOption(fd, kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1);
    }
    peer.close();
  }

  /** Bytes that have arrived and nobody has read. */
  get unread(): number {
    return kernel.unreadBytes(this.fd);
  }

  /** Moves the connection to the other backend: it speaks there when this returns. */
  move(): void {
    const flow = this.#flow!;
    const target = 1 - this.owner;
    const hold = this.#holds[target]!;
    hold.hold(flow);
    this.#flip(flow, target);
    this.frozenUs = nowUs();
    freeze(this.fd);
    const record = encodeConnection(exportConnection(this.fd));
    const restored = kernel.runInNamespace(this.place.backends[target]!, () => {
      const imported = importConnection(decodeConnection(record));
      imported.resume();
      return imported;
    });
    const left = this.fd;
    this.fd = restored.fd;
    this.owner = target;
    this.#released = () => {
      kernel.runInNamespace(this.place.backends[target]!, () => hold.release(flow));
      abandon(left);
    };
  }

  /** What is to be done once the client has heard from the target. */
  finish(): void {
    this.#released?.();
    this.#released = undefined;
  }

  #flip(flow: Flow, target: number): void {
    const { flows } = this.place.balancer;
    const name = {
      clientAddress: addressNumber(flow.remote.address),
      clientPort: flow.remote.port,
      virtualAddress: addressNumber(flow.local.address),
      virtualPort: flow.local.port,
    };
    this.#epoch = flows.find(name)!.epoch + 1;
    if (flows.claimExisting([{ ...name, owner: target, epoch: this.#epoch }]) !== 1)
      throw new Error('the switch did not take the new owner');
  }

  /** Idempotent. */
  close(): void {
    this.finish();
    for (const fd of [this.fd, this.#listener]) if (fd >= 0) kernel.closeDescriptor(fd);
    this.fd = -1;
    this.#listener = -1;
    for (const hold of this.#holds.splice(0)) hold.close();
    this.place.close();
  }
}

function listen(): number {
  const fd = kernel.openSocket(kernel.AF_INET, kernel.SOCK_STREAM);
  kernel.setSocketOption(fd, kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1);
  // Room for what nobody reads; accepted sockets have it from here.
  kernel.setSocketOption(fd, kernel.SOL_SOCKET, kernel.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
  const name = new kernel.SocketAddress();
  name.setIpv4(addressNumber(VIRTUAL_ADDRESS), PORT);
  const bound = kernel.bindSocket(fd, name);
  name.close();
  const listening = bound === 0 ? kernel.listenSocket(fd, 8) : bound;
  if (listening < 0) throw new Error(`listen: errno ${-listening}`);
  return fd;
}
