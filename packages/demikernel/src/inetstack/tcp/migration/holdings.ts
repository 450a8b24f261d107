// Which four-tuples are held: looked at for segments that belong to no connection, and only while something is on the move.

import { FlowTable } from '../../flow-table.ts';
import type { TcpLayer } from '../tcp-layer.ts';
import { Holding } from './holding.ts';

/** Every {@link Holding} of a layer. */
export class Holdings {
  /** Holdings there are; 0 spares strangers the lookup. */
  count: number;
  private readonly layer: TcpLayer;
  /** By local address, then by remote address and ports. */
  private readonly tables: Map<number, FlowTable<Holding>>;

  constructor(layer: TcpLayer) {
    this.count = 0;
    this.layer = layer;
    this.tables = new Map();
  }

  /** @param ports `(localPort << 16) | remotePort` */
  find(remoteAddress: number, localAddress: number, ports: number): Holding | undefined {
    return this.tables.get(localAddress)?.get(remoteAddress, ports);
  }

  /** Holds a four-tuple that is not held. @param packets kept at most */
  open(
    localAddress: number,
    localPort: number,
    remoteAddress: number,
    remotePort: number,
    packets: number,
  ): Holding {
    let table = this.tables.get(localAddress);
    if (table === undefined) {
      table = new FlowTable<Holding>(this.layer.runtime.random.int32());
      this.tables.set(localAddress, table);
    }
    const holding = new Holding(this.layer, localAddress, localPort, remoteAddress, remotePort, packets);
    table.set(remoteAddress, (localPort << 16) | remotePort, holding);
    this.count++;
    return holding;
  }

  /** Ends a holding that only hands packets on. */
  yieldForwarding(remoteAddress: number, localAddress: number, ports: number): void {
    const holding = this.find(remoteAddress, localAddress, ports);
    if (holding?.forwarding === true) holding.close();
  }

  remove(holding: Holding): void {
    const { localAddress, remoteAddress } = holding;
    const ports = (holding.localPort << 16) | holding.remotePort;
    const table = this.tables.get(localAddress);
    if (table?.get(remoteAddress, ports) !== holding) return;
    table.delete(remoteAddress, ports);
    this.count--;
  }

  /** Ends every holding, and what stands behind it. */
  close(): void {
    const all: Holding[] = [];
    for (const table of this.tables.values()) {
      table.forEach(holding => {
        all.push(holding);
      });
    }
    for (const holding of all) {
      const { onClose } = holding;
      if (onClose === undefined) holding.close();
      else onClose();
    }
  }
}
