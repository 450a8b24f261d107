// `bench -- cornflakes`: the search for a load, the client's parts, and quick runs of each part. It runs alone: a service and its client
// fill two processors. No time is asserted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkRefusal } from '@demikernel/lab';
import { heapRegion, SlotPool } from '@demikernel/memory';
import { platformRefusal } from '@demikernel/native/kernel';
import { SeededRandom } from 'demikernel/stack';
import { makeTasks, OPERATIONS } from '../src/cornflakes/in-process/tasks.ts';
import { Arrivals } from '../src/cornflakes/load/arrivals.ts';
import { findCapacity, isGood, type LoadPoint } from '../src/cornflakes/load/capacity.ts';
import { FrameCounter } from '../src/cornflakes/load/frame-counter.ts';
import { Latencies, piecesOf } from '../src/cornflakes/load/latencies.ts';
import type { Row } from '../src/rows.ts';
import { alive, checkReport, childrenOf, namespacesOf, outcomeOf, startScript } from './run-command.ts';

// ---- the search ----

const BOUND_US = 100;

/** A service that gives all it is asked for up to `mostPerSecond`, and answers late from `lateFrom` on. */
function service(mostPerSecond: number, lateFrom: number, asked: number[] = []) {
  return async (rate: number): Promise<LoadPoint> => {
    asked.push(rate);
    return {
      offeredPerSecond: rate,
      achievedPerSecond: Math.min(rate, mostPerSecond),
      p99Us: rate > lateFrom ? 10 * BOUND_US : BOUND_US / 2,
    };
  };
}

const SEARCH = { firstRate: 1000, p99BoundUs: BOUND_US, halvings: 6 };

test('a service is asked for more until its 99th percentile or what it gives says no', async () => {
  for (const [most, late, expected] of [
    [1e9, 37_000, 37_000],
    [50_000, 1e9, 50_000 / 0.95],
    [1e9, 300, 300],
    [1e9, 1000, 1000],
  ] as const) {
    const asked: number[] = [];
    const best = await findCapacity(service(most, late, asked), SEARCH);
    assert.ok(best !== undefined);
    // Six halvings of a factor of two leave less than 1.1 %.
    const share = best.offeredPerSecond / expected;
    assert.ok(share <= 1 && share > 0.985, `${best.offeredPerSecond} of ${expected}`);
    assert.ok(isGood(best, BOUND_US));
    assert.ok(asked.length < 30, `${asked.length} points`);
  }
});

test('a point that one stall has spoilt is asked for again; a service that takes nothing has no row', async () => {
  let points = 0;
  const stalls = service(1e9, 8000);
  const stalled = await findCapacity(async rate => {
    const point = await stalls(rate);
    return points++ % 2 === 0 ? { ...point, p99Us: 10 * BOUND_US } : point;
  }, SEARCH);
  assert.ok(stalled !== undefined && stalled.offeredPerSecond > 7800);
  assert.equal(await findCapacity(service(0, 0), SEARCH), undefined);
});

// ---- the client's parts ----

test('arrivals: as many a second as asked for, their gaps exponential', () => {
  const arrivals = new Arrivals(1);
  const gaps = Array.from({ length: 1 << 16 }, () => arrivals.nextGapUs(20));
  const mean = gaps.reduce((total, each) => total + each, 0) / gaps.length;
  assert.ok(Math.abs(mean - 20) < 1e-6);
  const beyond = gaps.filter(gap => gap > 20).length / gaps.length;
  assert.ok(Math.abs(beyond - Math.exp(-1)) < 0.01);
  assert.equal(new Arrivals(1).nextGapUs(20), new Arrivals(1).nextGapUs(20));
});

test('latencies: the median piece does without the stall, the whole run does not', () => {
  const latencies = new Latencies();
  for (let piece = 0; piece < 9; piece++) {
    for (let i = 0; i < 200; i++) latencies.record(piece === 4 ? 5_000_000 : 10_000 + 50 * i);
    latencies.endPiece();
  }
  // Too few to count as a piece.
  latencies.record(9_000_000);
  latencies.endPiece();
  const { p50Us, p99Us, wholeP99Us } = latencies.figures();
  assert.ok(Math.abs(p50Us - 15) < 0.2 && Math.abs(p99Us - 20) < 0.3, `${p50Us} ${p99Us}`);
  assert.ok(Math.abs(wholeP99Us - 5000) < 50);
  latencies.clear();
  latencies.record(1000);
  assert.ok(Math.abs(latencies.figures().p99Us - 1) < 0.02, 'without a piece the whole run counts');
  assert.equal(piecesOf(900_000, 100_000), 90);
  assert.equal(piecesOf(900_000, 1500), 9);
  assert.equal(piecesOf(900_000, 0), 90);
  assert.equal(piecesOf(1000, 10), 1);
});

test('messages in a stream are found however it is cut', () => {
  const lengths = [1, 0, 300, 7, 70_000, 0, 0, 5];
  const stream: number[] = [];
  for (const length of lengths) {
    stream.push(length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, 0);
    for (let i = 0; i < length; i++) stream.push(0xff);
  }
  const pool = new SlotPool(heapRegion(1 << 20), { slotSizeBytes: 4096 });
  const random = new SeededRandom(3);
  for (let round = 0; round < 50; round++) {
    const counter = new FrameCounter(16);
    const found: number[] = [];
    for (let at = 0; at < stream.length; ) {
      // Mostly short pieces, so that prefixes are cut; several slices at a time.
      const piece = Math.min(1 + random.below(round % 2 === 0 ? 7 : 9000), stream.length - at);
      const array = pool.allocArray(piece, 1 + random.below(3000))!;
      array.copyFrom(Uint8Array.from(stream.slice(at, at + piece)));
      counter.count(array);
      array.free();
      for (let i = 0; i < counter.ended; i++) found.push(counter.lengths[i]!);
      at += piece;
    }
    assert.deepEqual(found, lengths);
  }
  assert.equal(pool.freeSlots, pool.slotCount);
});

// ---- in process ----

test('every library reads what it wrote, in every operation', () => {
  const tasks = makeTasks();
  assert.equal(tasks.length, 9 * 4);
  for (const task of tasks) {
    for (const operation of OPERATIONS) task.run(operation, 70);
    assert.ok(task.wireBytes > 30 && task.wireBytes < 12_000, `${task.library}: ${task.wireBytes} B`);
  }
  const sums = new Map<string, number>();
  for (const task of makeTasks()) {
    task.run('readAll', 200);
    const before = sums.get(task.message);
    sums.set(task.message, task.sum);
    if (before !== undefined) assert.equal(task.sum, before, `${task.library} on ${task.message}`);
  }
});

// ---- the command ----

async function rowsOf(args: readonly string[]): Promise<{ rows: Row[]; stderr: string; pid: number }> {
  const child = startScript('main', ['cornflakes', '--quick', '--json', ...args]);
  const { code, stdout, stderr } = await outcomeOf(child);
  assert.equal(code, 0, stderr);
  return { rows: checkReport(stdout, 'cornflakes').rows, stderr, pid: child.pid! };
}

function assertNumbers(row: Row, fields: readonly string[]): void {
  for (const field of fields) assert.equal(typeof row[field], 'number', `${row.system} ${field}`);
}

test('--part in-process: figures for every message', async () => {
  const { rows } = await rowsOf(['--part', 'in-process', '--libraries', 'cornflakes,raw']);
  assert.equal(rows.length, 8);
  for (const row of rows) {
    assertNumbers(row, ['wireBytes', 'writeNs', 'sendNs', 'readOneNs', 'readAllNs', 'roundTripNs']);
    assertNumbers(row, ['writtenBytesAllocated', 'readBytesAllocated', 'roundTripBytesAllocated']);
  }
});

test('--part service: what a request costs, on shared memory and on a wire', async t => {
  const refusal = platformRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const { rows } = await rowsOf([
    '--part=service',
    '--workload=cdn-like',
    '--protocols=cornflakes,raw',
    '--keys=300',
  ]);
  assert.deepEqual(
    rows.map(row => `${row['transport']} ${row.system}`),
    ['catmem cornflakes', 'catmem raw', 'wire cornflakes', 'wire raw'],
  );
  for (const row of rows) assertNumbers(row, ['nsPerRequest']);
});

const SHORT = ['--keys', '300', '--point-ms', '40', '--connections', '4'];
// Beyond any stall: what is tested is the way there.
const PATIENT = ['--p99-us', '1000000'];

test('--part load: Catpowder and Catmem; nothing left behind', async t => {
  const refusal = platformRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const { pid, rows, stderr } = await rowsOf([
    '--part',
    'load',
    '--workload',
    'twitter-like',
    '--protocols',
    'cornflakes,json',
    ...SHORT,
    ...PATIENT,
  ]);
  const networks = networkRefusal();
  const expected = networks === undefined ? ['catpowder', 'catmem'] : ['catmem'];
  if (networks !== undefined) t.diagnostic(`Catpowder not asked for: ${networks}`);
  assert.deepEqual([...new Set(rows.map(row => row['libos']))], expected, stderr);
  for (const row of rows) {
    assert.ok(row.system === 'cornflakes' || row.system === 'json');
    assertNumbers(row, [
      'saturatedPerSecond',
      'saturatedServerCpuUsPerRequest',
      'saturatedClientIdlePercent',
    ]);
    assertNumbers(row, ['requestsPerSecond', 'p50Us', 'p99Us', 'wholeP99Us', 'cpuUsPerRequest']);
    assert.equal(row['refusedReplies'], 0);
  }
  assert.equal(rows.length, 2 * expected.length, stderr);
  assert.deepEqual(namespacesOf(pid), []);
});

test('--part ablation, with lists of values', async t => {
  const refusal = platformRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const { rows, stderr } = await rowsOf([
    '--part',
    'ablation',
    '--libos',
    'catmem',
    '--workload',
    'ycsb-c',
    ...SHORT,
    ...PATIENT,
  ]);
  assert.equal(rows.length, 4, stderr);
  for (const row of rows) assertNumbers(row, ['requestsPerSecond', 'saturatedPerSecond']);
});

test('arguments that make no sense are refused by name', async () => {
  const refused: [string[], RegExp][] = [
    [
      ['--part=everything'],
      /--part: there is no 'everything'; there are: in-process, service, load, ablation/,
    ],
    [['--protocols=cornflakes,xml'], /--protocols: there is no 'xml'/],
    [['--keys=-1'], /--keys is a whole number above 0, not '-1'/],
    [['--sigma=wide'], /--sigma is a number above 0, not 'wide'/],
  ];
  const outcomes = refused.map(([args]) =>
    outcomeOf(startScript('main', ['cornflakes', '--quick', ...args])),
  );
  for (const [i, { code, stderr, stdout }] of (await Promise.all(outcomes)).entries()) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, refused[i]![1]);
    assert.equal(stdout, '');
  }
});

test('SIGINT in the middle of a search leaves no namespace and no process', async t => {
  const refusal = networkRefusal();
  if (refusal !== undefined) return t.skip(refusal);
  const child = startScript('main', ['cornflakes', '--quick', '--part', 'load', '--libos', 'catpowder']);
  const outcome = outcomeOf(child);
  const pid = child.pid!;
  for (let i = 0; i < 400 && childrenOf(pid).length < 2; i++) await sleep(25);
  assert.ok(namespacesOf(pid).length > 0, 'it runs in namespaces');
  const children = childrenOf(pid);
  assert.ok(children.length >= 2, 'a service and its client are there');
  child.kill('SIGINT');
  assert.equal((await outcome).code, 130);
  assert.deepEqual(namespacesOf(pid), []);
  for (let i = 0; i < 100 && children.some(alive); i++) await sleep(20);
  assert.deepEqual(children.filter(alive), []);
});
