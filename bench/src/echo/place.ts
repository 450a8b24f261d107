// Where an echo run takes place, and its rows and ratios: what `bench -- echo` and `npm start` share.

import { getAffinity, platformRefusal } from '@demikernel/native/kernel';
import { type Column, type Row, ratio, rounded } from '../rows.ts';
import { Testbed } from '../testbed/testbed.ts';
import type { Measured } from './measure.ts';
import type { System } from './scenario.ts';
import type { Place } from './service.ts';

/** Namespaces, and the wire that services on kernel sockets share. */
export function makePlace(): NonNullable<Place> {
  const testbed = new Testbed();
  try {
    return { testbed, kernelWire: testbed.addWire({ kernelAddress: true }) };
  } catch (error) {
    testbed.close();
    throw error;
  }
}

/** The first two processors this process may use; the same one twice where there is only one. */
export function processors(): { server: number; client: number } {
  const allowed = platformRefusal() === undefined ? getAffinity() : [0];
  return { server: allowed[0] ?? 0, client: allowed[1] ?? allowed[0] ?? 0 };
}

/** One row per system and load that was measured at least once. */
export function rowsOf(measured: Measured): Row[] {
  return measured.tallies
    .filter(tally => tally.rounds > 0)
    .map(tally => {
      const row = tally.row();
      const idle = measured.idle.get(tally.system);
      if (idle !== undefined) row['idleCpuPercent'] = rounded(idle);
      return row;
    });
}

/** The row of another system under the same load; its quickest, when it waits in several ways. */
export function peerOf(row: Row, rows: readonly Row[], system: System['system']): Row | undefined {
  return rows.find(
    other =>
      other.system === system &&
      other['protocol'] === row['protocol'] &&
      other['sizeBytes'] === row['sizeBytes'] &&
      other['connections'] === row['connections'] &&
      other['client'] === row['client'],
  );
}

/** A column with a figure as a multiple of another system's under the same load. */
export function ratioColumn(
  title: string,
  rows: readonly Row[],
  field: string,
  peer: (row: Row) => string,
): Column {
  return {
    title,
    right: true,
    value: row => {
      const other = peerOf(row, rows, peer(row));
      return other === row ? '1' : ratio(row[field], other?.[field]);
    },
  };
}
