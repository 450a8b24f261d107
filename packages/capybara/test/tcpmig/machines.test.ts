// Origin and target, message by message: what each says, does, and comes to. Their names stand for what they do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as H from '../../src/tcpmig/header.ts';
import { OriginMigration } from '../../src/tcpmig/origin.ts';
import { StateSeal } from '../../src/tcpmig/seal.ts';
import { TargetMigration } from '../../src/tcpmig/target.ts';
import { DEFAULT_TIMING } from '../../src/tcpmig/timing.ts';

const NAME = {
  clientAddress: 1,
  clientPort: 2,
  virtualAddress: 3,
  virtualPort: 4,
  identifierLow: 5,
  identifierHigh: 6,
};
const SEAL = new StateSeal(new Uint8Array(32));
const ORIGIN = 1;
const TARGET = 2;
const EPOCH = 7;
const STATE = Uint8Array.of(9, 9, 9);

type Fields = Partial<H.MigrationHeader>;

function message(stage: number, sender: number, fields: Fields = {}): H.MigrationHeader {
  return Object.assign(new H.MigrationHeader(), NAME, {
    stage,
    sender,
    origin: ORIGIN,
    target: TARGET,
    epoch: EPOCH,
    ...fields,
  });
}

/** A verdict on a claim of `sender`, with the entry {owner, epoch, target}. */
function verdict(
  sender: number,
  word: number,
  entry: readonly [number, number, number?],
  epoch: number = EPOCH,
): H.MigrationHeader {
  return message(H.VERDICT, sender, {
    verdict: word,
    epoch,
    entryOwner: entry[0],
    entryEpoch: entry[1],
    entryTarget: entry[2] ?? H.ANY_BACKEND,
  });
}

/** What a machine has said and done since it was last looked at, in order. */
class Log {
  readonly lines: string[] = [];
  readonly headers: H.MigrationHeader[] = [];
  readonly payloads: Uint8Array[] = [];

  said(h: H.MigrationHeader, payload?: Uint8Array): void {
    this.lines.push(`${H.STAGE_NAMES[h.stage]}${h.verdict === 0 ? '' : `(${h.verdict})`}`);
    this.headers.push(Object.assign(new H.MigrationHeader(), h));
    if (payload !== undefined) this.payloads.push(Uint8Array.from(payload));
  }

  did(what: string): void {
    this.lines.push(what);
  }

  take(): string {
    return this.lines.splice(0).join(' ');
  }
}

class Origin {
  readonly log = new Log();
  readonly machine: OriginMigration;
  state: Uint8Array | undefined = STATE;
  nowUs = 0;

  constructor(target = TARGET) {
    this.machine = new OriginMigration({
      name: NAME,
      self: ORIGIN,
      target,
      estimateBytes: 100,
      seal: SEAL,
      timing: DEFAULT_TIMING,
      actions: {
        send: (h, payload) => this.log.said(h, payload),
        freeze: () => {
          this.log.did('[freeze]');
          return this.state;
        },
        resume: () => this.log.did('[resume]'),
        release: () => this.log.did('[release]'),
        reset: () => this.log.did('[reset]'),
        discard: () => this.log.did('[discard]'),
        ended: outcome => this.log.did(outcome),
      },
    });
    this.machine.start(0);
  }

  hears(h: H.MigrationHeader): string {
    this.machine.receive(h, this.nowUs);
    return this.log.take();
  }

  /** Time passes to when the machine wants to be called. */
  waits(): string {
    this.nowUs = Math.max(this.nowUs, this.machine.dueUs);
    this.machine.onTime(this.nowUs);
    return this.log.take();
  }

  /** Time passes until something else than `again` is said or done. */
  waitsBeyond(again: string): string {
    for (let i = 0; i < 10_000; i++) {
      const said = this.waits();
      if (said !== again && said !== '') return said;
    }
    return '';
  }

  static transferring(): Origin {
    const o = new Origin();
    o.log.take();
    assert.equal(o.hears(message(H.PREPARE_ACK, TARGET)), '[freeze] STATE');
    return o;
  }

  static claiming(): Origin {
    const o = Origin.transferring();
    assert.equal(o.hears(message(H.REJECT, TARGET, { verdict: H.REASON_BUSY })), 'CLAIM_BACK');
    return o;
  }
}

class Target {
  readonly log = new Log();
  readonly machine: TargetMigration;
  reason = 0;
  nowUs = 0;

  constructor(maximumStateBytes = 10_000) {
    this.machine = new TargetMigration({
      prepare: message(H.PREPARE, ORIGIN),
      self: TARGET,
      maximumStateBytes,
      seal: SEAL,
      timing: DEFAULT_TIMING,
      actions: {
        send: h => this.log.said(h),
        import: () => {
          this.log.did('[import]');
          return this.reason;
        },
        resume: () => this.log.did('[resume]'),
        discard: () => this.log.did('[discard]'),
        ended: outcome => this.log.did(outcome),
      },
    });
    this.machine.start(0);
  }

  hears(h: H.MigrationHeader, payload: Uint8Array = new Uint8Array(0)): string {
    this.machine.receive(h, payload, this.nowUs);
    return this.log.take();
  }

  waits(): string {
    this.nowUs = Math.max(this.nowUs, this.machine.dueUs);
    this.machine.onTime(this.nowUs);
    return this.log.take();
  }

  static committing(): Target {
    const t = new Target();
    assert.equal(t.log.take(), 'PREPARE_ACK');
    assert.equal(t.hears(stateMessage(), SEALED), '[import] COMMIT STATE_ACK');
    return t;
  }
}

const SEALED = SEAL.seal({ ...NAME, epoch: EPOCH, origin: ORIGIN, target: TARGET }, STATE);

function stateMessage(fields: Fields = {}): H.MigrationHeader {
  return message(H.STATE, ORIGIN, { fragmentCount: 1, totalBytes: SEALED.length, ...fields });
}

test('a migration, from PREPARE to MOVED', () => {
  const o = new Origin(H.ANY_BACKEND);
  assert.equal(o.log.take(), 'PREPARE');
  assert.equal(o.log.headers[0]!.epoch, 0);
  assert.equal(o.log.headers[0]!.target, H.ANY_BACKEND);
  assert.ok(!o.machine.frozen);
  assert.equal(o.hears(message(H.PREPARE_ACK, TARGET)), '[freeze] STATE');
  assert.ok(o.machine.frozen);
  assert.deepEqual(o.log.payloads[0], SEALED);
  const t = new Target();
  assert.equal(t.log.take(), 'PREPARE_ACK');
  assert.equal(t.hears(o.log.headers[1]!, o.log.payloads[0]), '[import] COMMIT STATE_ACK');
  assert.equal(o.hears(message(H.STATE_ACK, TARGET, { fragmentCount: 1 })), '');
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH + 1])), '[resume] MOVED owned');
  assert.equal(t.machine.epoch, EPOCH + 1);
  assert.equal(o.hears(message(H.MOVED, TARGET)), '[release] moved');
  assert.ok(!o.machine.frozen);
});

test('what comes again is answered again and does nothing', () => {
  const t = Target.committing();
  assert.equal(t.hears(stateMessage(), SEALED), 'STATE_ACK');
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH + 1])), '[resume] MOVED owned');
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH + 1])), '');
  assert.equal(t.hears(stateMessage(), SEALED), 'MOVED');
  assert.equal(t.hears(message(H.PREPARE, ORIGIN)), '');
  assert.equal(t.hears(message(H.ABORT, ORIGIN)), 'MOVED');
  const o = Origin.transferring();
  assert.equal(o.hears(message(H.PREPARE_ACK, TARGET)), '');
  assert.equal(o.hears(message(H.MOVED, TARGET)), '[release] moved');
  assert.equal(o.hears(message(H.MOVED, TARGET)), '');
  assert.equal(o.hears(message(H.REJECT, TARGET)), '');
});

test('PREPARE is repeated, then the entry is asked for and fenced: the connection was never frozen', () => {
  const o = new Origin();
  o.log.take();
  for (let i = 1; i < DEFAULT_TIMING.prepareTries; i++) assert.equal(o.waits(), 'PREPARE');
  assert.equal(o.waits(), 'QUERY');
  assert.equal(o.waits(), 'QUERY');
  // An answer that is late now would be fenced: it changes nothing.
  assert.equal(o.hears(message(H.PREPARE_ACK, TARGET)), '');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_ENTRY, [ORIGIN, EPOCH, TARGET], 0)), 'CLAIM_BACK');
  assert.equal(o.waits(), 'CLAIM_BACK');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH + 1])), 'stayed');
  assert.equal(o.machine.epoch, EPOCH + 1);
});

test('a refusal is fenced as well; an epoch that went on meanwhile is fenced anew', () => {
  const o = new Origin();
  o.log.take();
  assert.equal(o.hears(message(H.REJECT, TARGET, { verdict: H.REASON_BUSY })), 'QUERY');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_ENTRY, [ORIGIN, EPOCH], 0)), 'CLAIM_BACK');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_LOST, [ORIGIN, EPOCH + 3])), 'CLAIM_BACK');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH + 4], EPOCH + 3)), 'stayed');
});

test('a switch that knows nothing has forwarded nothing', () => {
  const o = new Origin();
  o.log.take();
  assert.equal(o.hears(message(H.REJECT, ORIGIN, { verdict: H.VERDICT_LEARNING })), 'stayed');
  const asking = new Origin();
  asking.log.take();
  assert.equal(asking.hears(message(H.REJECT, ORIGIN, { verdict: H.REASON_NOT_OWNER })), 'QUERY');
  assert.equal(asking.hears(verdict(ORIGIN, H.VERDICT_UNKNOWN, [H.ANY_BACKEND, 0], 0)), 'stayed');
});

test('who is told that another has the connection keeps silent about it for ever', () => {
  const o = new Origin();
  o.log.take();
  assert.equal(o.hears(message(H.REJECT, ORIGIN, { verdict: H.REASON_NOT_OWNER })), 'QUERY');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_ENTRY, [5, EPOCH], 0)), '[discard] lost');
});

test('an application that says no at the last moment', () => {
  const o = new Origin();
  o.log.take();
  o.state = undefined;
  assert.equal(o.hears(message(H.PREPARE_ACK, TARGET)), '[freeze] ABORT CLAIM_BACK');
  assert.ok(!o.machine.frozen);
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH + 1])), 'stayed');
  const cancelled = new Origin();
  cancelled.log.take();
  cancelled.machine.cancel(0);
  assert.equal(cancelled.log.take(), 'QUERY');
});

test('without progress the connection is claimed back', () => {
  const o = Origin.transferring();
  assert.equal(o.waits(), 'STATE');
  assert.equal(o.waitsBeyond('STATE'), 'CLAIM_BACK');
  assert.ok(o.machine.frozen);
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_LEARNING, [H.ANY_BACKEND, 0])), '');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH + 1])), 'ABORT [resume] stayed');
});

test('claims that come too late: released', () => {
  const o = Origin.claiming();
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_LOST, [TARGET, EPOCH + 1])), '[release] moved');
  assert.equal(o.hears(message(H.ABORT, TARGET, { verdict: H.VERDICT_UNKNOWN })), 'ABORT(1)', 'it may go on');
  const elsewhere = Origin.claiming();
  assert.equal(elsewhere.hears(verdict(ORIGIN, H.VERDICT_LOST, [5, EPOCH + 4])), '[release] moved');
  assert.equal(
    elsewhere.hears(message(H.ABORT, TARGET, { verdict: H.VERDICT_UNKNOWN })),
    'ABORT',
    'it may not',
  );
});

test('a migration of the same connection at a later epoch releases', () => {
  const o = Origin.claiming();
  assert.ok(!o.machine.superseded(EPOCH));
  assert.ok(o.machine.superseded(EPOCH + 1));
  assert.equal(o.log.take(), '[release] moved');
});

test('verdicts that are not about our claim are no verdicts', () => {
  const o = Origin.claiming();
  // Of an entry as it was before; of another epoch; of another party; a word that the entry does not bear out.
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_LOST, [ORIGIN, EPOCH, TARGET])), '');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_LOST, [5, EPOCH - 1])), '');
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH], EPOCH - 1)), '');
  assert.equal(o.hears(verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH + 1])), '');
  const t = Target.committing();
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_LOST, [ORIGIN, EPOCH, TARGET])), '');
  assert.equal(
    t.hears(verdict(TARGET, H.VERDICT_LOST, [TARGET, EPOCH + 1])),
    '[resume] MOVED owned',
    'the entry says so',
  );
  const again = Target.committing();
  assert.equal(again.hears(verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH - 3])), '');
});

test('a switch that was restarted: the target has given up, the origin goes on two epochs later', () => {
  const o = Origin.claiming();
  assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_UNKNOWN, [H.ANY_BACKEND, 0])), 'RELEARN');
  assert.equal(o.log.headers.at(-1)!.epoch, EPOCH + 2);
  assert.ok(o.machine.frozen);
  assert.equal(o.waits(), 'RELEARN');
  assert.equal(
    o.hears(verdict(ORIGIN, H.VERDICT_OWNED, [ORIGIN, EPOCH + 2], EPOCH + 2)),
    'ABORT [resume] stayed',
  );
  const late = Origin.claiming();
  late.hears(verdict(ORIGIN, H.VERDICT_UNKNOWN, [H.ANY_BACKEND, 0]));
  assert.equal(
    late.hears(verdict(ORIGIN, H.VERDICT_LOST, [TARGET, EPOCH + 2], EPOCH + 2)),
    '[release] moved',
  );
});

test('a switch that was restarted: the target is asked, and says what it has', () => {
  const make = (): Origin => {
    const o = Origin.transferring();
    o.waitsBeyond('STATE');
    assert.equal(o.hears(verdict(ORIGIN, H.VERDICT_UNKNOWN, [H.ANY_BACKEND, 0])), 'ABORT');
    return o;
  };
  assert.equal(make().hears(message(H.MOVED, TARGET)), '[release] moved');
  assert.equal(make().hears(message(H.REJECT, TARGET, { verdict: H.REASON_GONE })), 'RELEARN');
  const silent = make();
  assert.equal(silent.waitsBeyond('CLAIM_BACK'), '[reset] lost');
  assert.equal(
    silent.hears(message(H.ABORT, TARGET, { verdict: H.VERDICT_UNKNOWN })),
    'ABORT',
    'the client was told',
  );
});

test('nobody answers at all: what is frozen is given up without a word', () => {
  const o = Origin.transferring();
  o.waitsBeyond('STATE');
  assert.equal(o.waitsBeyond('CLAIM_BACK'), '[discard] lost');
  const t = Target.committing();
  let said = t.waits();
  for (let i = 0; i < 10_000 && said === 'COMMIT'; i++) said = t.waits();
  assert.equal(said, '[discard] gone');
});

test('the target: nothing comes', () => {
  const t = new Target();
  assert.equal(t.log.take(), 'PREPARE_ACK');
  assert.equal(t.hears(message(H.PREPARE, ORIGIN, { epoch: EPOCH + 1 })), 'PREPARE_ACK');
  assert.equal(t.machine.epoch, EPOCH + 1);
  assert.equal(t.waits(), '[discard] RELEASE');
  assert.equal(t.waits(), 'RELEASE');
  assert.equal(t.hears(stateMessage({ epoch: EPOCH + 1 }), SEALED), '');
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_ENTRY, [ORIGIN, EPOCH + 2], EPOCH + 1)), 'gone');
  assert.equal(t.hears(stateMessage({ epoch: EPOCH + 1 }), SEALED), 'REJECT(24)');
});

test('the target: too large, unreadable, not wanted', () => {
  const small = new Target(10);
  small.log.take();
  assert.equal(small.hears(stateMessage(), SEALED), `[discard] REJECT(${H.REASON_TOO_LARGE}) gone`);
  const t = new Target();
  t.log.take();
  const forged = SEALED.map(byte => byte ^ 1);
  assert.equal(t.hears(stateMessage(), forged), '');
  assert.equal(t.hears(stateMessage(), forged), '', 'asked for again by being silent');
  assert.equal(t.hears(stateMessage(), forged), `[discard] REJECT(${H.REASON_BAD_STATE}) gone`);
  const recovering = new Target();
  recovering.log.take();
  assert.equal(recovering.hears(stateMessage(), forged), '');
  assert.equal(recovering.hears(stateMessage(), SEALED), '[import] COMMIT STATE_ACK');
  const full = new Target();
  full.log.take();
  full.reason = H.REASON_BUSY;
  assert.equal(full.hears(stateMessage(), SEALED), `[import] [discard] REJECT(${H.REASON_BUSY}) gone`);
  assert.equal(full.hears(message(H.ABORT, ORIGIN)), 'REJECT(24)');
});

test('the target: fragments that contradict each other or come from others are not taken', () => {
  const t = new Target();
  t.log.take();
  assert.equal(t.hears(stateMessage({ sender: 5 }), SEALED), '');
  assert.equal(t.hears(stateMessage({ origin: 5, sender: 5 }), SEALED), '');
  assert.equal(t.hears(stateMessage({ epoch: EPOCH - 1 }), SEALED), '');
  assert.equal(t.hears(stateMessage({ fragmentCount: 2 }), SEALED), '');
  assert.equal(
    t.hears(stateMessage({ totalBytes: -1 }), SEALED),
    `[discard] REJECT(${H.REASON_TOO_LARGE}) gone`,
  );
});

test('the target: lost, outdone, told to forget it', () => {
  assert.equal(
    Target.committing().hears(verdict(TARGET, H.VERDICT_LOST, [ORIGIN, EPOCH + 1])),
    '[discard] gone',
  );
  assert.equal(Target.committing().hears(message(H.ABORT, ORIGIN)), '[discard] gone REJECT(24)');
  const t = new Target();
  t.log.take();
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_LOST, [ORIGIN, EPOCH, TARGET])), '', 'flipped already');
  assert.equal(t.hears(verdict(TARGET, H.VERDICT_LOST, [ORIGIN, EPOCH, 5])), '[discard] gone');
  const outdone = Target.committing();
  assert.ok(!outdone.machine.superseded(EPOCH));
  assert.ok(outdone.machine.superseded(EPOCH + 1));
  assert.equal(outdone.log.take(), '[discard] gone');
});

test('the target: a switch that was restarted; the origin knows', () => {
  const unknown = (): Target => {
    const t = Target.committing();
    assert.equal(t.hears(message(H.ABORT, ORIGIN, { verdict: H.VERDICT_OWNED })), '', 'not asked');
    assert.equal(t.hears(verdict(TARGET, H.VERDICT_LEARNING, [H.ANY_BACKEND, 0])), '');
    assert.equal(t.hears(verdict(TARGET, H.VERDICT_UNKNOWN, [H.ANY_BACKEND, 0])), 'ABORT(3)');
    return t;
  };
  const granted = unknown();
  assert.equal(granted.hears(message(H.ABORT, ORIGIN, { verdict: H.VERDICT_OWNED })), 'RELEARN');
  assert.equal(granted.waits(), 'RELEARN');
  const owned = verdict(TARGET, H.VERDICT_OWNED, [TARGET, EPOCH + 1], EPOCH + 1);
  assert.equal(granted.hears(owned), '[resume] MOVED owned');
  assert.equal(granted.machine.epoch, EPOCH + 1);
  const outrun = unknown();
  outrun.hears(message(H.ABORT, ORIGIN, { verdict: H.VERDICT_OWNED }));
  assert.equal(outrun.hears(verdict(TARGET, H.VERDICT_LOST, [5, EPOCH + 2], EPOCH + 1)), '[discard] gone');
  assert.equal(unknown().hears(message(H.ABORT, ORIGIN)), '[discard] gone REJECT(24)');
  const silent = unknown();
  let said = silent.waits();
  for (let i = 0; i < 10_000 && said === 'COMMIT'; i++) said = silent.waits();
  assert.equal(said, '[discard] gone');
});
