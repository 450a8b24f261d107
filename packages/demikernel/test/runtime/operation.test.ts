// Tables of operations and queues: generations, order of reuse, misuse. Lists of operations.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_OPERATIONS,
  OP_COMPLETE,
  OP_FREE,
  OP_PENDING,
  OP_POP,
  OP_PUSH,
  type Operation,
  OperationList,
  OperationTable,
} from '../../src/runtime/operation.ts';
import { QueueTable } from '../../src/runtime/queue.ts';
import { StubQueue } from './stub-library-os.ts';

const code = (expected: string) => ({ name: 'DemiError', code: expected });

test('a token finds its operation until its result is taken, and never again', () => {
  const table = new OperationTable(2);
  const operation = table.issue(OP_POP, 7);
  const { token } = operation;
  assert.ok(token > 0);
  assert.equal(table.lookup(token), operation);
  assert.equal(operation.state, OP_PENDING);
  table.complete(operation, 5);
  assert.equal(table.lookup(token).errno, 5);
  assert.equal(operation.state, OP_COMPLETE);
  table.retire(operation);
  assert.equal(operation.state, OP_FREE);
  for (let life = 0; life < 10; life++) {
    assert.throws(() => table.lookup(token), code('ERR_DEMI_TOKEN'), `life ${life}`);
    table.retire(table.issue(OP_POP, 1));
    table.retire(table.issue(OP_POP, 1));
  }
});

test('tokens that were never given out are refused', () => {
  const table = new OperationTable(2);
  const { token } = table.issue(OP_POP, 1);
  for (const bad of [0, -1, token + 1, 0x7fff_ffff, 1.5, Number.NaN, 2 ** 40 + token]) {
    assert.throws(() => table.lookup(bad), code('ERR_DEMI_TOKEN'), String(bad));
  }
});

test('slots are reused first in, first out: a stale token stays stale as long as possible', () => {
  const table = new OperationTable(4);
  const all = [1, 2, 3, 4].map(qd => table.issue(OP_POP, qd));
  for (const index of [2, 0, 3, 1]) table.retire(all[index]!);
  const order = [1, 2, 3, 4].map(qd => table.issue(OP_POP, qd).index);
  assert.deepEqual(order, [2, 0, 3, 1]);
});

test('a generation wraps without giving out 0', () => {
  const table = new OperationTable(1);
  const seen = new Set<number>();
  for (let life = 0; life < 4095; life++) {
    const operation = table.issue(OP_POP, 1);
    assert.ok(operation.token > 0 && !seen.has(operation.token));
    seen.add(operation.token);
    table.retire(operation);
  }
  const again = table.issue(OP_POP, 1);
  assert.ok(again.token > 0 && seen.has(again.token), 'after 4095 lives tokens come round');
});

test('a fresh operation carries nothing of the one before', () => {
  const table = new OperationTable(1);
  const first = table.issue(OP_PUSH, 3);
  first.flags = 3;
  first.sizeBytes = 9;
  first.doneBytes = 9;
  first.acceptedQd = 4;
  first.mark = 7;
  first.address.setIpv4(0x0a000001, 80);
  table.complete(first, 104);
  table.retire(first);
  const { errno, flags, sizeBytes, doneBytes, acceptedQd, mark, address, array, sink } = table.issue(
    OP_POP,
    5,
  );
  assert.deepEqual(
    { errno, flags, sizeBytes, doneBytes, acceptedQd, mark, array, sink },
    {
      errno: 0,
      flags: 0,
      sizeBytes: 0,
      doneBytes: 0,
      acceptedQd: -1,
      mark: 0,
      array: undefined,
      sink: undefined,
    },
  );
  assert.equal(address.toString(), '0.0.0.0:0');
});

test('a full table says so, and recovers', () => {
  const table = new OperationTable(2);
  const first = table.issue(OP_POP, 1);
  table.issue(OP_POP, 1);
  assert.throws(() => table.issue(OP_POP, 1), code('ERR_DEMI_AGAIN'));
  assert.equal(table.liveCount, 2);
  table.retire(first);
  assert.equal(table.issue(OP_POP, 1).index, first.index);
  let visited = 0;
  table.forEachLive(() => visited++);
  assert.equal(visited, 2);
});

test('tables have bounds', () => {
  for (const bad of [0, -1, MAX_OPERATIONS + 1, Number.NaN]) {
    assert.throws(() => new OperationTable(bad), code('ERR_DEMI_OUT_OF_RANGE'), String(bad));
  }
});

test('completion tells the sink once, with the errno in place', () => {
  const table = new OperationTable(1);
  const operation = table.issue(OP_POP, 1);
  const told: Operation[] = [];
  operation.sink = { completed: each => told.push(each) };
  table.complete(operation, 32);
  assert.deepEqual(told, [operation]);
  assert.equal(operation.errno, 32);
});

test('a list keeps its order under removal from anywhere', () => {
  const table = new OperationTable(32);
  const actions = fc.array(fc.record({ what: fc.constantFrom('push', 'shift', 'remove'), which: fc.nat() }));
  fc.assert(
    fc.property(actions, steps => {
      const list = new OperationList();
      const model: Operation[] = [];
      const idle = Array.from({ length: 8 }, () => table.issue(OP_POP, 1));
      for (const { what, which } of steps) {
        if (what === 'push' && idle.length > 0) {
          const operation = idle.pop()!;
          list.push(operation);
          model.push(operation);
        } else if (what === 'shift') {
          const operation = list.shift();
          assert.equal(operation, model.shift());
          if (operation !== undefined) idle.push(operation);
        } else if (what === 'remove' && model.length > 0) {
          const [operation] = model.splice(which % model.length, 1);
          list.remove(operation!);
          assert.equal(operation!.list, undefined);
          idle.push(operation!);
        }
        assert.equal(list.count, model.length);
        const forward: Operation[] = [];
        for (let each = list.head; each !== undefined; each = each.next) forward.push(each);
        assert.deepEqual(forward, model);
        assert.equal(list.tail, model.at(-1));
      }
      for (const operation of [...idle, ...model]) table.retire(operation);
    }),
  );
});

test('queue descriptors: unknown ones throw, closed ones are reused last', () => {
  const table = new QueueTable(3);
  const queues = [new StubQueue(), new StubQueue(), new StubQueue()];
  assert.deepEqual(
    queues.map(queue => table.add(queue)),
    [0, 1, 2],
  );
  assert.equal(table.add(new StubQueue()), -1);
  assert.equal(table.lookup(1), queues[1]);
  table.remove(1);
  assert.equal(queues[1]!.qd, -1);
  table.remove(0);
  for (const bad of [1, -1, 3, 99, Number.NaN]) {
    assert.throws(() => table.lookup(bad), code('ERR_DEMI_QUEUE'), String(bad));
    assert.throws(() => table.remove(bad), code('ERR_DEMI_QUEUE'), String(bad));
  }
  assert.equal(table.liveCount, 1);
  assert.deepEqual([table.add(new StubQueue()), table.add(new StubQueue())], [1, 0]);
  table.forEach(queue => {
    table.remove(queue.qd);
  });
  assert.equal(table.liveCount, 0);
});
