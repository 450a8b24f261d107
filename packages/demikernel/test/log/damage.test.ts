// Logs cut at every byte and with bits flipped: what is found is told apart from what is missing.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryDisk } from '../../src/liboses/storage/memory-disk.ts';
import { MemoryStorage } from '../../src/liboses/storage/memory-storage.ts';
import { EBADMSG, errnoName } from '../../src/runtime/errno.ts';
import { SeededRandom } from '../../src/runtime/random.ts';
import { idOf, LOG, Machine, payload } from './machine.ts';

const SEGMENT_BYTES = 24 << 10;

interface Kept {
  id: number;
  position: number;
}

/** A log of several groups, and where each record is. */
function written(groups: number, inGroup: number, close: boolean): { disk: MemoryDisk; kept: Kept[] } {
  const disk = new MemoryDisk({ random: new SeededRandom(9), segmentBytes: SEGMENT_BYTES });
  const storage = new MemoryStorage(disk);
  const machine = new Machine(storage, 5);
  const qd = machine.open();
  const kept: Kept[] = [];
  for (let group = 0; group < groups; group++) {
    const pushes = Array.from({ length: inGroup }, (_, i) => {
      const id = group * inGroup + i + 1;
      return { id, operation: machine.push(qd, payload(id, 20 + ((id * 37) % 400))) };
    });
    for (const { id, operation } of pushes) {
      assert.equal(machine.finish(operation), 0);
      kept.push({ id, position: operation.position });
      machine.retire(operation);
    }
  }
  if (close) machine.shutDown();
  else storage.crash();
  return { disk, kept };
}

/** What a fresh machine makes of a disk: the ids it delivers in order, and what ended them. */
function found(disk: MemoryDisk): { openErrno: number; ids: number[]; errno: number } {
  const machine = new Machine(new MemoryStorage(disk), 77);
  const qd = machine.open({ mode: 'existing' });
  if (qd < 0) return { openErrno: -qd, ids: [], errno: 0 };
  const { errno, records } = machine.readAll(qd);
  const ids = records.map(record => idOf(record.bytes));
  machine.shutDown();
  return { openErrno: 0, ids, errno };
}

function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk({ random: new SeededRandom(3), segmentBytes: SEGMENT_BYTES });
  for (const [name, segments] of disk.logs) {
    copy.logs.set(name, new Map([...segments].map(([segment, bytes]) => [segment, bytes.slice()])));
  }
  copy.nextSegment = disk.nextSegment;
  return copy;
}

describe('a damaged log', () => {
  test('cut at every byte, what is whole before the cut is there', () => {
    const { disk, kept } = written(4, 3, false);
    const [segment] = disk.logs.get(LOG)!.keys();
    const full = disk.logs.get(LOG)!.get(segment!)!;
    const last = kept.at(-1)!;
    for (let cut = 8192; cut < last.position + 600; cut++) {
      const torn = new MemoryDisk({ random: new SeededRandom(3), segmentBytes: SEGMENT_BYTES });
      torn.logs.set(LOG, new Map());
      torn.logs.get(LOG)!.set(torn.addSegment(LOG), full.slice().fill(0, cut));
      const { errno, ids, openErrno } = found(torn);
      assert.equal(errnoName(openErrno), errnoName(0), `cut at ${cut}`);
      assert.equal(errno, 0);
      const whole = kept.filter(({ id, position }) => {
        const { length } = payload(id, 20 + ((id * 37) % 400));
        return position + 32 + length <= cut;
      });
      // A cut within zeros changes nothing: more may be there, never less, and never out of order.
      assert.ok(ids.length >= whole.length, `cut at ${cut}: ${ids.length} of ${whole.length}`);
      assert.deepEqual(
        ids,
        kept.slice(0, ids.length).map(record => record.id),
      );
    }
  });

  for (const groups of [6, 40]) {
    test(`bits flipped in a log of ${groups} groups that was closed: damage is reported, never delivered, never silent`, () => {
      const { disk, kept } = written(groups, 3, true);
      const random = new SeededRandom(groups);
      const segments = [...disk.logs.get(LOG)!.keys()];
      let refused = 0;
      for (let trial = 0; trial < 600; trial++) {
        const rotten = copyOf(disk);
        const map = rotten.logs.get(LOG)!;
        const segment = segments[random.below(segments.length)]!;
        const bytes = map.get(segment)!;
        const at = random.below(8) === 0 ? random.below(8192) : 8192 + random.below(SEGMENT_BYTES - 8192);
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        const { errno, ids, openErrno } = found(rotten);
        assert.deepEqual(
          ids,
          kept.slice(0, ids.length).map(record => record.id),
          `bit of byte ${at} of ${segment}`,
        );
        if (openErrno !== 0 || errno !== 0) {
          assert.equal(openErrno === 0 ? errno : openErrno, EBADMSG);
          refused++;
        } else
          assert.equal(ids.length, kept.length, `bit of byte ${at} of ${segment}: records are silently gone`);
      }
      assert.ok(refused > 50, `only ${refused} were noticed`);
    });
  }

  test('damage in the middle can be cut off, knowingly, and the log goes on', () => {
    const { disk, kept } = written(6, 3, true);
    const bytes = [...disk.logs.get(LOG)!.values()][0]!;
    bytes[kept[7]!.position + 40]! ^= 1;
    assert.equal(found(copyOf(disk)).openErrno, EBADMSG);
    const machine = new Machine(new MemoryStorage(disk), 3);
    const qd = machine.open({ mode: 'existing', damaged: 'cut' });
    assert.deepEqual(
      machine.readAll(qd).records.map(each => idOf(each.bytes)),
      [1, 2, 3, 4, 5, 6, 7],
    );
    machine.write(qd, payload(99, 50));
    machine.shutDown();
    assert.deepEqual(found(disk).ids, [1, 2, 3, 4, 5, 6, 7, 99]);
  });

  test('what has been cut off does not come back, whole segments of it either', () => {
    const { disk, kept } = written(60, 3, true);
    const segments = [...disk.logs.get(LOG)!.values()];
    assert.ok(segments.length >= 3);
    // The middle of the last segment but one's records: the word that the log goes on is lost with it.
    const last = kept.findLast(each => each.position < (segments.length - 1) * SEGMENT_BYTES)!;
    segments.at(-2)!.fill(0xa5, (last.position % SEGMENT_BYTES) + 32);
    segments.at(-1)!.fill(0xa5, 8192, 12_288);
    const expected = kept.filter(each => each.position < last.position).map(each => each.id);
    assert.equal(found(copyOf(disk)).openErrno, EBADMSG);
    const machine = new Machine(new MemoryStorage(disk), 3);
    const qd = machine.open({ mode: 'existing', damaged: 'cut' });
    assert.deepEqual(
      machine.readAll(qd).records.map(each => idOf(each.bytes)),
      expected,
    );
    machine.write(qd, payload(999, 50));
    machine.shutDown();
    const { errno, ids, openErrno } = found(disk);
    assert.deepEqual([openErrno, errno, ids], [0, 0, [...expected, 999]]);
  });

  test('a device that lies about writes: a hole is reported, not skipped', () => {
    let holes = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const disk = new MemoryDisk({ random: new SeededRandom(seed), segmentBytes: SEGMENT_BYTES });
      const machine = new Machine(new MemoryStorage(disk), seed);
      const qd = machine.open();
      for (let id = 1; id <= 10; id++) machine.write(qd, payload(id, 100));
      disk.faults = { lostWriteRate: 0.2 };
      for (let id = 11; id <= 30; id++) machine.write(qd, payload(id, 100));
      disk.faults = {};
      machine.write(qd, payload(31, 100));
      machine.shutDown();
      const { errno, ids, openErrno } = found(disk);
      assert.deepEqual(
        ids,
        Array.from(ids, (_, i) => i + 1),
      );
      if (openErrno !== 0 || errno !== 0) holes++;
      else assert.equal(ids.length, 31);
    }
    assert.ok(holes > 40);
  });

  test('a header that is lost twice is not taken for a new log', () => {
    const { disk } = written(3, 3, true);
    const bytes = [...disk.logs.get(LOG)!.values()][0]!;
    bytes[10]! ^= 1;
    assert.equal(found(copyOf(disk)).openErrno, 0);
    bytes[4096 + 10]! ^= 1;
    assert.equal(found(copyOf(disk)).openErrno, EBADMSG);
  });
});
