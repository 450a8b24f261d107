// Forged frames by the million against a busy stack: no exception, no leak, bounded tables, every drop under a name.
//
// FUZZ_FRAMES=10000000 runs the long form, FUZZ_SEED=n another seed. The frames depend on the seed alone.

import { test } from 'node:test';
import { FuzzStage } from './fuzz-stage.ts';
import { describeCounters } from './ledger.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 1_000_000);
/** Frames after which a stage is taken down, so that leaks are found near where they arose. */
const FRAMES_PER_STAGE = 250_000;
const COMMAND = 'node --test packages/demikernel/dist/test/torture/fuzz.test.js';

test(`${FRAMES} forged frames`, t => {
  const startMs = Date.now();
  let injected = 0;
  const totals = new Map<string, number>();
  for (let seed = SEED; injected < FRAMES; seed++) {
    const stage = new FuzzStage(seed);
    try {
      while (stage.injected < FRAMES_PER_STAGE && injected + stage.injected < FRAMES) {
        stage.turn();
        if ((stage.world.steps & 0xfff) === 0) stage.check();
      }
      stage.finish();
    } catch (error) {
      const again = `FUZZ_SEED=${seed} FUZZ_FRAMES=${FRAMES_PER_STAGE} ${COMMAND}`;
      throw new Error(
        `after ${stage.injected} frames: ${(error as Error).stack}\nagain with: ${again}\n${describeCounters(stage.counters)}`,
      );
    }
    injected += stage.injected;
    for (const [room, values] of Object.entries(stage.counters)) {
      for (const [name, value] of Object.entries(values)) {
        totals.set(`${room}.${name}`, (totals.get(`${room}.${name}`) ?? 0) + value);
      }
    }
    t.diagnostic(
      `seed ${seed}: ${stage.injected} frames (${stage.refused} refused), ${stage.completed} operations, at most ${stage.mostConnections} connections, at least ${stage.fewestFreeSlots} slots free`,
    );
  }
  t.diagnostic(`${injected} frames in ${Date.now() - startMs} ms`);
  t.diagnostic([...totals].map(([name, value]) => `${name} ${value}`).join(', '));
});
