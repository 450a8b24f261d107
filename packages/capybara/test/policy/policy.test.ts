// Policies: what a plan says of a snapshot, and that fleets come to rest under them.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BackendLoad, type ConnectionLoad, type Fleet, Policy } from '../../src/policy/index.ts';
import { FleetSimulation, zipf } from './fleet-simulation.ts';

/** A fleet from the loads of each backend's connections; ids count up. */
function fleetOf(
  ...backends: (readonly number[] | (Partial<BackendLoad> & { has: readonly number[] }))[]
): Fleet {
  const connections: ConnectionLoad[] = [];
  return {
    backends: backends.map((each, id) => {
      const { has, ...rest } = Array.isArray(each)
        ? { has: each as readonly number[] }
        : (each as { has: number[] });
      for (const load of has) connections.push({ id: connections.length, backend: id, load });
      return {
        id,
        accepting: true,
        draining: false,
        weight: 1,
        load: has.reduce((sum, load) => sum + load, 0),
        ...rest,
      };
    }),
    connections,
  };
}

/** Moves as `connection:from>to`. */
function movesOf(fleet: Fleet, policy: Policy = new Policy(), nowUs = 0): string[] {
  return policy.plan(fleet, nowUs).moves.map(move => `${move.connection}:${move.from}>${move.to}`);
}

describe('proactive', () => {
  test('an even fleet is left alone, and so is noise', () => {
    assert.deepEqual(movesOf(fleetOf([10, 10], [10, 10])), []);
    assert.deepEqual(movesOf(fleetOf([10, 13], [10, 10])), []);
    assert.deepEqual(movesOf(fleetOf([], [], [])), []);
  });

  test('the largest that fits moves, to the least loaded', () => {
    // Share 20: 32 is 12 above, and 9 fits; 5 would be above the share then.
    assert.deepEqual(movesOf(fleetOf([18, 9, 5], [20], [8])), ['1:0>2']);
  });

  test('several move, until the share is reached', () => {
    assert.deepEqual(movesOf(fleetOf([4, 4, 4, 4, 4, 4, 4, 4], [])), ['0:0>1', '1:0>1', '2:0>1', '3:0>1']);
  });

  test('the hottest stays, its neighbours leave', () => {
    // 100 is above any share: it would only move the hot spot.
    const fleet = fleetOf([100, 5, 5, 5], [10], [10]);
    assert.deepEqual(movesOf(fleet), ['1:0>1', '2:0>2', '3:0>1']);
    const alone = new Policy().plan(fleetOf([100], [15], [15]), 0);
    assert.deepEqual(alone.moves, []);
    assert.deepEqual(
      alone.stuck.map(({ backend, why }) => [backend, why]),
      [[0, 'hottest']],
    );
  });

  test('the hottest moves to a backend with more capacity', () => {
    assert.deepEqual(movesOf(fleetOf([100], { has: [10], weight: 4 })), ['0:0>1']);
  });

  test('capacity counts: shares are by weight', () => {
    assert.deepEqual(movesOf(fleetOf([10, 10], { has: [10, 10, 10, 10], weight: 2 })), []);
    assert.deepEqual(movesOf(fleetOf([10, 10, 10], { has: [10, 10, 10], weight: 2 })), ['0:0>1']);
  });

  test('a backend that accepts nothing is no target; with none at all, the plan says so', () => {
    const closed = { has: [], accepting: false };
    assert.deepEqual(movesOf(fleetOf([10, 10, 10, 10], closed, [8])), ['0:0>2']);
    assert.deepEqual(new Policy().plan(fleetOf({ has: [9, 9], draining: true }), 0).stuck[0]?.why, 'nowhere');
  });

  test('what has moved is left alone until it has rested, and so are its backends', () => {
    const policy = new Policy({ coolDownUs: 10_000, restUs: 1_000_000 });
    const fleet = fleetOf([10, 10, 10], []);
    const [move] = policy.plan(fleet, 0).moves;
    policy.started(move!, 0);
    const cooling = policy.plan(fleet, 9999);
    assert.deepEqual(cooling.moves, []);
    assert.equal(cooling.stuck[0]?.why, 'resting');
    assert.deepEqual(movesOf(fleet, policy, 10_000), ['1:0>1']);
    assert.deepEqual(movesOf(fleet, policy, 1_000_000), ['0:0>1']);
    assert.equal(policy.restingCount, 0);
  });
});

describe('draining', () => {
  test('all leave, idle ones too, spread over the others', () => {
    const idle = new Array<number>(100).fill(0);
    const plan = new Policy().plan(fleetOf({ has: idle, draining: true }, [], []), 0);
    assert.equal(plan.moves.length, 100);
    assert.equal(plan.moves.filter(move => move.to === 1).length, 50);
  });

  test('a drained backend’s load counts for the shares of the others', () => {
    const policy = new Policy({ proactive: { factor: 1.2 } });
    // Without it, backend 1 would be above its share.
    const fleet = fleetOf({ has: [30], draining: true }, [20], [15]);
    assert.deepEqual(movesOf(fleet, policy), ['0:0>2']);
  });

  test('who refuses is asked again soon', () => {
    const policy = new Policy();
    const fleet = fleetOf({ has: [1], draining: true }, []);
    policy.refused(0, 0);
    assert.equal(policy.plan(fleet, 9999).stuck[0]?.why, 'resting');
    assert.deepEqual(movesOf(fleet, policy, 10_000), ['0:0>1']);
  });
});

describe('orders, delay, rebalance', () => {
  test('an order goes first, once', () => {
    const policy = new Policy();
    policy.order({ connection: 7, from: 0, to: 1, load: 0 });
    const plan = policy.plan(fleetOf([1], [1]), 0);
    assert.deepEqual(plan.moves, [{ connection: 7, from: 0, to: 1, load: 0, reason: 'order' }]);
    policy.started(plan.moves[0]!, 0);
    assert.deepEqual(policy.plan(fleetOf([1], [1]), 0).moves, []);
  });

  test('a backend on which requests wait gives to those where they do not', () => {
    const policy = new Policy({ proactive: false, reactive: { delayUs: 1000, fraction: 0.25 } });
    const slow = { has: [2, 2, 2, 2], delayUs: 3000 };
    assert.deepEqual(
      movesOf(fleetOf(slow, { has: [20], delayUs: 100 }, { has: [1], delayUs: 600 }), policy),
      ['0:0>1'],
    );
    assert.deepEqual(movesOf(fleetOf(slow, { has: [1], delayUs: 900 }), policy), []);
  });

  test('rebalancing looks closer, and ends', () => {
    const policy = new Policy({ rebalanceUs: 1e9 });
    const fleet = fleetOf([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5], [5, 5, 5, 5, 5, 5, 5, 5, 5]);
    assert.deepEqual(movesOf(fleet, policy), []);
    policy.rebalance(0);
    assert.deepEqual(movesOf(fleet, policy), ['0:0>1']);
    const even = fleetOf([5, 5], [5, 5]);
    policy.plan(even, 0);
    assert.deepEqual(movesOf(fleet, policy), []);
  });
});

const SEEDS = Number(process.env['POLICY_SEEDS'] ?? 3);

describe('fleets come to rest', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`skewed loads on eight backends (seed ${seed})`, () => {
      const fleet = new FleetSimulation({
        seed,
        weights: new Array(8).fill(1),
        loads: zipf(1500, 0.7),
        place: i => (i < 40 ? 0 : i % 8),
      });
      assert.ok(fleet.worst() > 2);
      fleet.run(3_000_000);
      assert.ok(fleet.worst() < 1.25, `still ${fleet.worst()}`);
      const settled = fleet.moves;
      fleet.run(5_000_000);
      assert.ok(fleet.worst() < 1.25, `again ${fleet.worst()}`);
      assert.ok(fleet.moves - settled <= 4, `${fleet.moves - settled} moves of a fleet at rest`);
      assert.ok(Math.max(...fleet.timesMoved) <= 2, 'a connection was thrown to and fro');
    });

    test(`a connection hotter than any share stays, alone (seed ${seed})`, () => {
      const loads = [5000, ...new Array<number>(300).fill(10)];
      const fleet = new FleetSimulation({ seed, weights: [1, 1, 1, 1], loads });
      fleet.run(6_000_000);
      assert.equal(fleet.owner[0], 0);
      assert.equal(fleet.connectionsOf(0), 1);
      assert.equal(fleet.timesMoved[0], 0);
      const settled = fleet.moves;
      fleet.run(3_000_000);
      assert.ok(fleet.moves - settled <= 2);
    });

    test(`loads that change all the time (seed ${seed})`, () => {
      const fleet = new FleetSimulation({
        seed,
        weights: [1, 1, 2, 2],
        loads: zipf(600, 0.5),
        noise: 0.3,
        refusals: 0.3,
      });
      for (let phase = 0; phase < 6; phase++) {
        for (let i = 0; i < 600; i++) fleet.loads[i] = 1000 / (((i * 7 + phase * 211) % 600) + 1) ** 0.5;
        fleet.run(2_000_000);
        assert.ok(fleet.worst() < 1.35, `phase ${phase}: ${fleet.worst()}`);
      }
      // Six changes of 600 loads each.
      assert.ok(fleet.moves < 1200, `${fleet.moves} moves`);
    });

    test(`a drain, then a new backend (seed ${seed})`, () => {
      const fleet = new FleetSimulation({ seed, weights: [1, 1, 1], loads: zipf(900, 0.4), refusals: 0.2 });
      fleet.draining.add(1);
      fleet.run(1_000_000);
      assert.equal(fleet.connectionsOf(1), 0);
      fleet.addBackend(1);
      fleet.policy.rebalance(fleet.nowUs);
      fleet.run(4_000_000);
      assert.ok(fleet.worst() < 1.2, `${fleet.worst()}`);
      assert.ok(fleet.connectionsOf(3) > 0);
    });
  }
});
