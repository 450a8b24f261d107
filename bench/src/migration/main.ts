// `bench -- migration`: how long a client waits for a connection that moves, phase by phase; beside TCP_REPAIR by the same
// definition on the same path.

import { networkRefusal } from '@demikernel/lab';
import * as kernel from '@demikernel/native/kernel';
import { type Benchmark, type RunOptions, type Table, UsageError } from '../benchmark.ts';
import { Histogram } from '../histogram.ts';
import { figure, type Row, ratio, rounded, word } from '../rows.ts';
import { byteAt, MovingClient } from './moving-client.ts';
import { RepairFleet } from './repair-fleet.ts';
import { nowUs, type Site, type StackBackend, StackFleet } from './stack-fleet.ts';
import { WireSite } from './wire-site.ts';
import { XdpSite } from './xdp-site.ts';

const DEFAULT_KIB = '0,1,16,64,128';
const LIMIT_MS = 10_000;
/** Moves before one counts: code is compiled by then. */
const WARM_UP_MOVES = 300;
const PHASES = ['prepare', 'export', 'send', 'import', 'commit', 'firstByte'] as const;
/** The systems take turns: so many moves at a time. */
const TURN_MOVES = 100;
const SYSTEMS = ['migration protocol', 'migration protocol, in-process wire', 'TCP_REPAIR'] as const;

/** What one system shows at one size. */
class Samples {
  readonly system: string;
  readonly bufferedKib: number;
  readonly blackout: Histogram = new Histogram();
  readonly phases: ReadonlyMap<string, Histogram> = new Map(PHASES.map(name => [name, new Histogram()]));
  /** Attempts after which the connection was where it had been: a stall of the machine was longer than the protocol waits. */
  stayed: number;

  constructor(system: string, bufferedKib: number) {
    this.system = system;
    this.bufferedKib = bufferedKib;
    this.stayed = 0;
  }

  row(): Row {
    const row: Row = {
      system: this.system,
      bufferedKib: this.bufferedKib,
      moves: this.blackout.count,
      stayed: this.stayed,
      blackoutP50Us: rounded(this.blackout.percentileUs(0.5)),
      blackoutP99Us: rounded(this.blackout.percentileUs(0.99)),
    };
    for (const [name, times] of this.phases)
      if (times.count > 0) row[`${name}P50Us`] = rounded(times.percentileUs(0.5));
    return row;
  }
}

/** One connection that can be moved, with so much in it that nobody has read. */
interface Moved {
  fill(bytes: number): Promise<void>;
  /** Moves it once, or tries to; counts when `samples` are given. Returns whether it has moved. */
  move(samples: Samples | undefined): boolean;
  close(): void;
}

async function until(done: () => boolean, turn: () => void, what: string): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  while (!done()) {
    if (performance.now() > limit) throw new Error(`${what}: nothing for ${LIMIT_MS} ms`);
    for (let i = 0; i < 16; i++) turn();
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Asks without a pause, as a benchmark's client that spins does. */
function spinUntil(done: () => boolean, turn: () => void, what: string): void {
  const limit = performance.now() + LIMIT_MS;
  while (!done()) {
    turn();
    if (performance.now() > limit) throw new Error(`${what}: nothing for ${LIMIT_MS} ms`);
  }
}

async function openStack(site: Site, onExit: RunOptions['onExit']): Promise<Moved> {
  let said = 0;
  const fleet = await StackFleet.open(
    site,
    ({ os }: StackBackend, qd, arrived) => {
      if (!arrived) return;
      // The first thing a client hears from the target.
      const token = os.push(qd, Uint8Array.of(byteAt(said++)));
      os.wait(token);
    },
    onExit,
  );
  const client = fleet.site.connect();
  const turn = (): void => fleet.turn();
  await until(() => fleet.owner >= 0, turn, 'the connection');
  return {
    fill: async bytes => {
      const from = client.sent;
      await until(
        () => client.sent - from === bytes,
        () => {
          client.write(bytes - (client.sent - from));
          fleet.turn();
        },
        'filling',
      );
      for (let i = 0; i < 500; i++) fleet.turn();
    },
    move: samples => {
      let outcome = '';
      const begunUs = nowUs();
      if (!fleet.move(how => (outcome = how))) throw new Error('the connection does not leave');
      let heard = 0;
      spinUntil(() => (heard += client.read()) > 0 || outcome === 'stayed', turn, 'the first byte');
      const heardUs = nowUs();
      spinUntil(() => outcome !== '', turn, 'the end of the move');
      if (outcome === 'stayed') {
        if (samples !== undefined) samples.stayed++;
        return false;
      }
      if (outcome !== 'moved') throw new Error(`the connection is ${outcome}`);
      if (samples === undefined) return true;
      const { marks } = fleet;
      const at = [
        begunUs,
        marks.ackReceived,
        marks.exported,
        marks.stateSent,
        marks.imported,
        marks.committed,
        heardUs,
      ];
      for (let i = 0; i < PHASES.length; i++)
        samples.phases.get(PHASES[i]!)!.record((at[i + 1]! - at[i]!) * 1000);
      samples.blackout.record((heardUs - marks.ackReceived) * 1000);
      return true;
    },
    close: () => {
      client.close();
      fleet.close();
    },
  };
}

async function openRepair(onExit: RunOptions['onExit']): Promise<Moved> {
  const fleet = new RepairFleet();
  const forget = onExit(() => fleet.close());
  const client = new MovingClient(fleet.place);
  await until(
    () => fleet.owner >= 0,
    () => fleet.turn(),
    'the connection',
  );
  const byte = Buffer.alloc(1);
  let said = 0;
  return {
    fill: async bytes => {
      const want = fleet.unread + bytes;
      await until(
        () => fleet.unread === want,
        () => client.write(want - client.sent),
        'filling',
      );
    },
    move: samples => {
      fleet.move();
      byte[0] = byteAt(said++);
      kernel.libc().writeBuffer(fleet.fd, byte, 1);
      spinUntil(
        () => client.read() > 0,
        () => {},
        'the first byte',
      );
      samples?.blackout.record((nowUs() - fleet.frozenUs) * 1000);
      fleet.finish();
      return true;
    },
    close: () => {
      client.close();
      forget();
    },
  };
}

async function run(options: RunOptions): Promise<Row[]> {
  const refusal = networkRefusal();
  if (refusal !== undefined) throw new UsageError(refusal);
  const sizes = (options.values['kib'] ?? DEFAULT_KIB).split(',').map(Number);
  const moves = Number(options.values['moves'] ?? (options.quick ? 400 : 3000));
  if (sizes.some(each => !Number.isInteger(each) || each < 0 || each > 128))
    throw new UsageError('--kib wants whole numbers up to 128');
  if (!Number.isInteger(moves) || moves < 1) throw new UsageError('--moves wants a whole number above 0');
  const rows: Row[] = [];
  for (const kib of sizes) rows.push(...(await measure(kib, moves, options)));
  return rows;
}

/** All systems by turns, each with a connection of its own. */
async function measure(kib: number, moves: number, options: RunOptions): Promise<Row[]> {
  options.progress(`${kib} KiB`);
  const opened: Moved[] = [];
  const closeAll = (): void => {
    for (const each of opened.splice(0)) each.close();
  };
  try {
    opened.push(await openStack(new XdpSite(), options.onExit));
    opened.push(await openStack(new WireSite(), options.onExit));
    opened.push(await openRepair(options.onExit));
    const samples = SYSTEMS.map(system => new Samples(system, kib));
    for (const each of opened) {
      await each.fill(kib * 1024);
      for (let i = 0; i < Math.min(WARM_UP_MOVES, moves); i++) each.move(undefined);
    }
    for (let done = 0; done < moves; done += TURN_MOVES) {
      for (const [i, each] of opened.entries())
        for (let moved = 0; moved < Math.min(TURN_MOVES, moves - done); ) if (each.move(samples[i])) moved++;
      // Ctrl-C is heard between turns.
      await new Promise(resolve => setImmediate(resolve));
    }
    return samples.map(each => each.row());
  } finally {
    closeAll();
  }
}

function tables(rows: readonly Row[]): Table[] {
  const repair = (row: Row): Row | undefined =>
    rows.find(other => other.system === 'TCP_REPAIR' && other['bufferedKib'] === row['bufferedKib']);
  return [
    {
      rows,
      columns: [
        word('system', 'system'),
        figure('KiB', 'bufferedKib', 0),
        figure('moves', 'moves', 0),
        figure('stayed', 'stayed', 0),
        figure('blackout p50 µs', 'blackoutP50Us'),
        figure('p99 µs', 'blackoutP99Us'),
        {
          title: '/ TCP_REPAIR',
          right: true,
          value: row =>
            repair(row) === row ? '1' : ratio(row['blackoutP50Us'], repair(row)?.['blackoutP50Us']),
        },
        ...PHASES.map(name => figure(name === 'firstByte' ? 'first byte' : name, `${name}P50Us`)),
      ],
      notes: [
        'Blackout: from the PREPARE_ACK’s arrival at the origin (TCP_REPAIR: from the freeze) until the client has read the first byte from the target. Both ends of the move, and the client, on one thread; the real XDP switch and veth pairs between them, or, on the in-process wire, the switch’s model and nothing else: the protocol’s own cost, with the client’s stack in it.',
        'KiB: bytes that have arrived and nobody has read; they travel with every move. Phases, medians: until the PREPARE_ACK is here; freezing and reading out; sealing and sending; opening and putting together; the claim and its verdict; until the client has read a byte.',
        'TCP_REPAIR moves without messages, sealing or a claim: the switch’s entry is set from the same process, in its favour.',
      ],
    },
  ];
}

export const migration: Benchmark = {
  name: 'migration',
  summary: 'moving a connection: phases and blackout by size, beside TCP_REPAIR',
  options: {
    moves: { type: 'string', help: 'moves of each system and size' },
    kib: { type: 'string', help: 'sizes of what is buffered, in KiB: 0,1,16,64,128' },
  },
  run,
  columns: () => [word('system', 'system')],
  tables,
  notes: [],
};
