// Crashes of Cattree at every boundary of a command: the driver's recorded stream, replayed up to each moment onto the disk
// as it was, what was not durable lost, torn or out of order. DEMIKERNEL_CRASH_RECORDINGS says how many recordings.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COPY_BYTES } from '../../src/liboses/cattree/directory.ts';
import { ManualClock } from '../../src/runtime/clock.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { ModelDisk } from '../nvme/model-disk.ts';
import { Replay } from '../nvme/recording.ts';
import { playCrashes, RecordedWork } from './cattree-crashes.ts';
import { openModelTree } from './model-tree.ts';

const RECORDINGS = Number(process.env['DEMIKERNEL_CRASH_RECORDINGS'] ?? 2);
const FIRST_SEED = Number(process.env['DEMIKERNEL_LOG_SEED'] ?? 1);
const RECORDS = 60;
const SEGMENT = 128 << 10;
const SEGMENTS = 8;

function newDisk(blockBytes: number, volatileCache: boolean): ModelDisk {
  const lengthBytes = 2 * COPY_BYTES + SEGMENTS * SEGMENT;
  return new ModelDisk({ id: 1, blocks: lengthBytes / blockBytes, blockBytes, volatileCache });
}

/** Records work on a disk that has held other logs before, and crashes it everywhere. */
function run(blockBytes: number, volatileCache: boolean): string {
  let [schedules, torn, checked] = [0, 0, 0];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RECORDINGS; seed++) {
    const disk = newDisk(blockBytes, volatileCache);
    const options = {
      clock: new ManualClock(),
      segmentBytes: SEGMENT,
      latencySteps: 4,
      memoryBytes: 8 << 20,
    };
    const random = new SeededRandom(seed);
    new RecordedWork(openModelTree(disk, { ...options, random }).storage, seed + 1000).run(RECORDS);
    const { model, storage } = openModelTree(disk, { ...options, random, overwrite: true });
    const start = disk.bytes.slice();
    const work = new RecordedWork(storage, seed);
    work.run(RECORDS);
    assert.deepEqual(model.complaints, []);
    assert.equal(disk.gatherings > 0, RecordedWork.refers(seed) || RecordedWork.refers(seed + 1000));
    assert.ok(
      new Replay(work.recording, start.slice()).matches(disk.bytes),
      'writes are missing in the recording',
    );
    const crashes = playCrashes(work, start, newDisk(blockBytes, volatileCache), {
      seed: seed << 16,
      stride: 1,
      variants: 3,
    });
    schedules += crashes.schedules;
    torn += crashes.torn;
    checked += crashes.checked;
  }
  assert.ok(torn > 0 && checked > schedules);
  return `${schedules} crashes, ${torn} with writes under way, ${checked} records checked`;
}

test('a crash at any command loses no acknowledged record and shows nobody else’s', t =>
  t.diagnostic(run(512, true)));
test('nor with blocks of 4096 bytes', t => t.diagnostic(run(4096, true)));
test('nor without a volatile cache', t => t.diagnostic(run(512, false)));
