// A backend of our own stack in a testbed's namespace: an echo service whose connections may leave at any byte.

import { configure } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { Connection, coroutines, DemiError, type Demikernel, open, promises } from 'demikernel';
import { MigrationAgent } from '../../src/host/agent.ts';
import * as T from '../switch/testbed.ts';

export const PORT = 8090;
export const HEADER_KEY: Uint8Array = new Uint8Array(16).fill(7);
export const FLEET_KEY: Uint8Array = new Uint8Array(32).fill(1);
/** A backend's own address, for control messages. */
export const ownAddress = (id: number): string => `10.88.0.${20 + id}`;

/** A backend. */
export interface Backend {
  os: Demikernel;
  agent: MigrationAgent;
  echoed: number;
}

/** How its service waits. */
export type Style = 'coroutines' | 'promises';

/** Makes backend `id`. */
export async function makeBackend(bed: T.SwitchTestbed, id: number, style: Style): Promise<Backend> {
  const namespace = bed.backends[id]!;
  configure(namespace, netlink => {
    // The address is our stack's.
    kernel.deleteAddress(netlink, kernel.linkIndex('lo'), T.VIRTUAL_ADDRESS, 32);
  });
  const os = await open({
    libos: 'catpowder',
    interface: 'eth0',
    namespace,
    address: `${ownAddress(id)}/24`,
    virtualAddresses: [T.VIRTUAL_ADDRESS],
    device: 'af-xdp',
    wait: 'spin',
    selfCheck: false,
    onNotice: () => {},
  });
  const listener = os.socket('stream');
  os.bind(listener, `${T.VIRTUAL_ADDRESS}:${PORT}`);
  os.listen(listener);
  const agent = new MigrationAgent({
    os,
    self: id,
    address: ownAddress(id),
    switchAddress: T.SWITCH_ADDRESS,
    addressOf: backend => T.addressNumber(ownAddress(backend)) | 0,
    headerKey: HEADER_KEY,
    fleetKey: FLEET_KEY,
  });
  const backend: Backend = { os, agent, echoed: 0 };
  if (style === 'coroutines') serveByCoroutines(backend, listener);
  else serveByPromises(backend, listener);
  return backend;
}

function serveByCoroutines(backend: Backend, listener: number): void {
  const { agent, os } = backend;
  const co = coroutines(os);
  const echo = (qd: number): void => {
    agent.migratable(qd, { save: () => new Uint8Array(0) });
    co.spawn(function* () {
      for (;;) {
        const { array, errno } = yield* co.pop(qd);
        if (errno !== 0 || array === undefined || array.count === 0) {
          array?.free();
          break;
        }
        backend.echoed += array.lengthBytes;
        yield* co.push(qd, array);
        array.free();
      }
      agent.forget(qd);
      os.close(qd);
    });
  };
  co.spawn(function* () {
    for (;;) {
      const { acceptedQd, errno } = yield* co.accept(listener);
      if (errno !== 0) return;
      echo(acceptedQd);
    }
  });
  agent.serve(listener, { arrived: ({ qd }) => echo(qd) });
}

function serveByPromises(backend: Backend, listener: number): void {
  const { agent, os } = backend;
  const p = promises(os);
  const echo = async (connection: Connection): Promise<void> => {
    let busy = false;
    agent.migratable(connection.qd, {
      readByPromises: true,
      mayLeave: () => !busy,
      save: () => new Uint8Array(0),
    });
    try {
      for (;;) {
        const array = await connection.read();
        if (array === undefined) break;
        busy = true;
        backend.echoed += array.lengthBytes;
        await connection.write(array);
        array.free();
        busy = false;
      }
    } catch (error) {
      if (!(error instanceof DemiError)) throw error; // the connection has left
    }
    agent.forget(connection.qd);
    connection.close();
  };
  const accept = async (): Promise<void> => {
    for (;;) {
      const { acceptedQd } = await p.accept(listener);
      echo(new Connection(p, acceptedQd)).catch(() => {});
    }
  };
  accept().catch(() => {}); // until the library OS is closed
  agent.serve(listener, { arrived: ({ qd }) => void echo(new Connection(p, qd)).catch(() => {}) });
}
