// Schedules of everything that can go wrong while a connection moves, from a seed: lost, repeated, reordered and delayed frames,
// each stage's messages dropped and doubled, backends stopped, killed and gone on, the switch restarted, at each step. What must
// hold: no two backends speak for one connection, no byte is lost or repeated, no reset unless the only current copy died.
//
// SCHEDULES=n runs n of them, SCHEDULE=n begins with that one.

import { test } from 'node:test';
import { SeededRandom } from 'demikernel/simulator';
import { ANY_BACKEND, LAST_BACKEND_STAGE, STAGE_NAMES } from '../../src/tcpmig/header.ts';
import { type FleetBackend, MovingFleet } from './moving-fleet.ts';

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 1000);
const FIRST = Number(process.env['SCHEDULE'] ?? 1);
const LIMIT_US = 20_000_000;

type Fault =
  | 'none'
  | 'drop'
  | 'twice'
  | 'stopOrigin'
  | 'stopTarget'
  | 'killOrigin'
  | 'killTarget'
  | 'restart'
  | 'cut';
const FAULTS: readonly Fault[] = [
  'none',
  'drop',
  'twice',
  'stopOrigin',
  'stopTarget',
  'killOrigin',
  'killTarget',
  'restart',
  'cut',
];

interface Tally {
  moved: number;
  stayed: number;
  resets: number;
  lost: number;
  kills: number;
  restarts: number;
  stops: number;
  /** Which faults have met which messages. */
  fired: Set<string>;
}

/** One schedule. @returns why the connection could not live on, if it could not */
function run(seed: number, tally: Tally): void {
  const random = new SeededRandom(seed);
  const wild = random.below(3) === 0;
  const f = new MovingFleet({
    seed,
    random,
    backends: 3,
    link: wild
      ? {
          lossRate: 0.03,
          duplicateRate: 0.03,
          reorderRate: 0.05,
          corruptRate: random.below(2) * 0.01,
          delayUs: 10,
          jitterUs: 40,
        }
      : { delayUs: 5, jitterUs: random.below(2) * 20 },
    streamBytes: 2000 + random.below(30_000),
    bufferBytes: 2048 << random.below(4),
    timing: {
      transferUs: 20_000,
      expectUs: 40_000,
      orphanUs: 300_000,
      graceUs: 500_000,
      maximumRetryUs: 10_000,
    },
  });
  const later: { atUs: number; what: () => void }[] = [];
  const after = (us: number, what: () => void): void => {
    later.push({ atUs: f.world.nowUs + us, what });
  };
  let fatal = false;
  let fault: Fault = 'none';
  let faultStage = 0;
  let origin: FleetBackend | undefined;
  let learning = 0;
  const stopFor = (backend: FleetBackend | undefined): void => {
    if (backend === undefined || backend.stopped) return;
    tally.stops++;
    f.stop(backend);
    after(1 + random.below(100_000), () => f.go(backend));
  };
  const kill = (backend: FleetBackend | undefined): void => {
    if (backend === undefined || fatal) return;
    tally.kills++;
    fatal = true;
    f.kill(backend);
    after(50_000, () => f.switch.markDown(backend.id));
  };
  const restart = (): void => {
    tally.restarts++;
    f.switch.restart();
    learning++;
    const mine = learning;
    for (const backend of f.backends) if (backend.alive) relearn(backend);
    const check = (): void => {
      if (mine !== learning) return;
      const open = f.backends.some(b => b.alive && (b.stopped || b.agent.relearning > 0));
      if (open) after(1000, check);
      else f.switch.learned();
    };
    after(1000, check);
  };
  const relearn = (backend: FleetBackend): void => {
    // A process that is stopped hears of it when it goes on.
    if (backend.stopped && backend.alive) after(1000, () => relearn(backend));
    else if (backend.alive) backend.agent.relearn();
  };
  const target = (): FleetBackend | undefined =>
    f.backends.find(b => b !== origin && b.agent.moving > 0 && b.alive);
  f.switch.onMessage = stage => {
    if (fault === 'none' || stage !== faultStage) return 'pass';
    const now = fault;
    tally.fired.add(`${fault} ${STAGE_NAMES[stage]}`);
    if (now !== 'cut') fault = 'none';
    if (now === 'stopOrigin') stopFor(origin);
    else if (now === 'stopTarget') stopFor(target());
    else if (now === 'killOrigin') kill(origin);
    else if (now === 'killTarget') kill(target());
    else if (now === 'restart') restart();
    return now === 'drop' || now === 'cut' ? 'drop' : now === 'twice' ? 'twice' : 'pass';
  };
  let nextMoveUs = 0;
  const restarts = random.below(6) === 0;
  const replays = random.below(4) === 0;
  while (!f.over) {
    if (f.violation !== undefined) throw new Error(f.violation);
    if (f.world.nowUs > LIMIT_US) break;
    for (let i = 0; i < later.length; i++) {
      if (later[i]!.atUs > f.world.nowUs) continue;
      const { what } = later.splice(i--, 1)[0]!;
      what();
    }
    f.world.runFor(20 + random.below(200));
    if (restarts && random.below(40) === 0) restart();
    if (replays && random.below(8) === 0) replay(f, random);
    const owner = f.owner();
    if (owner === undefined || f.world.nowUs < nextMoveUs || f.client.end === undefined) continue;
    const to = random.below(3) === 0 ? ANY_BACKEND : random.below(3);
    if (to === owner.id) continue;
    const qd = owner.agent.connections[0];
    if (qd === undefined || !owner.agent.move(qd, to)) continue;
    origin = owner;
    nextMoveUs = f.world.nowUs + random.below(random.below(2) === 0 ? 1000 : 30_000);
    fault = FAULTS[random.below(random.below(2) === 0 ? FAULTS.length : 3)]!;
    faultStage = 1 + random.below(LAST_BACKEND_STAGE - 2);
    if (fault === 'cut')
      after(random.below(30_000), () => {
        if (fault === 'cut') fault = 'none';
      });
  }
  settle(f, fatal && learning > 0, tally);
}

/** Somebody who has no key sends an old message again, or one that he has changed. */
function replay(f: MovingFleet, random: SeededRandom): void {
  const { overheard } = f.switch;
  if (overheard.length === 0) return;
  const frame = Uint8Array.from(overheard[random.below(overheard.length)]!);
  // Behind the headers of Ethernet, IPv4 and UDP.
  if (random.below(3) === 0) frame[42 + random.below(frame.length - 42)]! ^= 1 << random.below(8);
  f.switch.inject(frame);
}

/**
 * What must be true at the end.
 *
 * @param ambiguous a backend was killed and the switch restarted: when it was the other party of a migration in doubt, nobody can say
 *   whether there was a newer copy
 */
function settle(f: MovingFleet, ambiguous: boolean, tally: Tally): void {
  if (f.violation !== undefined) throw new Error(f.violation);
  for (const { agent } of f.backends) {
    tally.moved += agent.counters.arrived;
    tally.stayed += agent.counters.stayed;
    tally.lost += agent.counters.lost;
  }
  const ghost = [...f.switch.ghosts.values()][0];
  const deadOwner = ghost !== undefined && f.backends[ghost.owner]?.alive === false;
  const died = (deadOwner || ambiguous) && (f.wasReset || !f.over);
  if (f.wasReset) tally.resets++;
  const fault = faultOf(f, died);
  if (fault !== undefined) throw new Error(`${fault}: ${describe(f)}`);
}

function faultOf(f: MovingFleet, died: boolean): string | undefined {
  const { end } = f.client;
  if (died) return f.wasReset ? undefined : 'the client was not told';
  if (end === undefined || !f.over) return 'the streams do not end';
  if (end.errno !== 0) return 'the client was reset';
  return end.progress.ended && end.progress.shut ? undefined : 'a stream is cut';
}

function describe(f: MovingFleet): string {
  const backends = f.backends.map(
    b =>
      `${b.id}${b.alive ? '' : ' dead'}${b.stopped ? ' stopped' : ''} ${JSON.stringify(b.agent.counters)} moving ${b.agent.moving} ends ${b.ends.size}`,
  );
  return `${JSON.stringify(f.client.end?.progress)} errno ${f.client.end?.errno} ghosts ${JSON.stringify([...f.switch.ghosts])}\n${backends.join('\n')}`;
}

test('connections survive every schedule in which a current copy does', { timeout: 600_000 }, t => {
  const tally: Tally = {
    moved: 0,
    stayed: 0,
    resets: 0,
    lost: 0,
    kills: 0,
    restarts: 0,
    stops: 0,
    fired: new Set(),
  };
  for (let seed = FIRST; seed < FIRST + SCHEDULES; seed++) {
    try {
      run(seed, tally);
    } catch (error) {
      throw new Error(
        `SCHEDULE=${seed} SCHEDULES=1: ${error instanceof Error ? error.stack : String(error)}`,
        { cause: error },
      );
    }
  }
  t.diagnostic(`${SCHEDULES} schedules: ${JSON.stringify({ ...tally, fired: tally.fired.size })}`);
});
