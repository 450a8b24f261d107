// Which connection, and which attempt to move it: the names that messages carry.

import type { MigrationHeader } from './header.ts';

/** A connection as the switch knows it. Addresses are int32. */
export interface FlowName {
  readonly clientAddress: number;
  readonly clientPort: number;
  readonly virtualAddress: number;
  readonly virtualPort: number;
}

/** One attempt to move one connection. */
export interface MigrationName extends FlowName {
  readonly identifierLow: number;
  readonly identifierHigh: number;
}

/** A key for maps of flows. Not for the packet path. */
export function flowKey(flow: FlowName): string {
  return `${flow.clientAddress}:${flow.clientPort}:${flow.virtualAddress}:${flow.virtualPort}`;
}

/** A key for maps of attempts. */
export function migrationKey(name: MigrationName): string {
  return `${name.identifierHigh}:${name.identifierLow}:${flowKey(name)}`;
}

/** Names a header's connection and attempt. */
export function writeName(h: MigrationHeader, name: MigrationName): void {
  h.clientAddress = name.clientAddress;
  h.clientPort = name.clientPort;
  h.virtualAddress = name.virtualAddress;
  h.virtualPort = name.virtualPort;
  h.identifierLow = name.identifierLow;
  h.identifierHigh = name.identifierHigh;
}

/** The connection and attempt that a header names. */
export function readName(h: MigrationHeader): MigrationName {
  const { clientAddress, clientPort, virtualAddress, virtualPort, identifierLow, identifierHigh } = h;
  return { clientAddress, clientPort, virtualAddress, virtualPort, identifierLow, identifierHigh };
}
