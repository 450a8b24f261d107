// A process that appends to a log until it is killed, and tells its parent of every record that was acknowledged: four
// bytes of its number. Not a test; kills.test.ts runs it.

import { writeSync } from 'node:fs';
import { open, type StorageOptions } from '../../src/index.ts';
import { payload } from '../log/machine.ts';

const [storage, firstId, seed] = process.argv.slice(2);
/** Appends under way at once. */
const UNDER_WAY = 40;
const TRUNCATE_EVERY = 3000;

const os = await open({ libos: 'catnap', storage: JSON.parse(storage!) as StorageOptions });
const opened = os.wait(os.open('log', { mode: 'either' }))!;
if (opened.errno !== 0) throw new Error(`open: ${opened.errno}`);
const qd = opened.acceptedQd;
const set = os.waitSet();
const said = new DataView(new ArrayBuffer(4));
let state = Number(seed) | 1;
let pushed = Number(firstId);
let acknowledged = pushed;
let truncating = 0;

function pushOne(): void {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  const large = (state >>> 8) % 50 === 0;
  set.add(os.push(qd, payload(pushed++, (state >>> 16) % (large ? 40_000 : 600))));
}

for (let i = 0; i < UNDER_WAY; i++) pushOne();
for (let result = set.wait(); result !== undefined; result = set.wait()) {
  if (result.errno !== 0) throw new Error(`errno ${result.errno}`);
  if (result.token === truncating) continue;
  const { position } = result;
  said.setUint32(0, acknowledged++, true);
  writeSync(1, new Uint8Array(said.buffer));
  pushOne();
  if (acknowledged % TRUNCATE_EVERY === 0) {
    truncating = os.truncate(qd, position);
    set.add(truncating);
  }
}
