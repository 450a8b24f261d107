// The timer wheel: every timer of a runtime, armed and cancelled in constant time, fed by the injected clock.

/** Length of a tick in microseconds. No timer fires early; it fires at most one tick late, plus the length of a turn. */
export const TICK_US = 64;

const LEVEL_BITS = 6;
const SLOTS = 1 << LEVEL_BITS;
const SLOT_MASK = SLOTS - 1;
const LEVELS = 5;
/** Longest delay: 2^30 ticks of 64 µs, 19 hours. Longer ones are cut to it. */
const MAX_TICKS = 1 << (LEVEL_BITS * LEVELS);
// Two ticks short: rounding up and the part of the present tick that is over each add one at most.
const MAX_DELAY_US = (MAX_TICKS - 2) * TICK_US;

/**
 * One timer. Embed it in what it belongs to and arm it as often as wanted: arming allocates nothing.
 *
 * `kind` tells several timers of one owner apart.
 */
export class Timer {
  readonly owner: TimerOwner;
  readonly kind: number;
  armed: boolean;
  /** Tick at which it fires; int32, compared by difference. */
  deadlineTick: number;
  previous: Timer | undefined;
  next: Timer | undefined;
  level: number;
  slot: number;

  constructor(owner: TimerOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
    this.armed = false;
    this.deadlineTick = 0;
    this.previous = undefined;
    this.next = undefined;
    this.level = 0;
    this.slot = 0;
  }
}

/** What is called when a timer fires. It may arm and cancel any timer, itself too. */
export interface TimerOwner {
  onTimer(kind: number): void;
}

/**
 * A hierarchical timing wheel (Varghese and Lauck, SOSP'87, scheme 7): five levels of 64 slots, tick 64 µs.
 *
 * ```
 * level 0: 64 slots of 1 tick     (64 µs each)      the slot of the current tick fires
 * level 1: 64 slots of 64 ticks   (4.1 ms each)     entered: its timers are spread over level 0
 * …
 * level 4: 64 slots of 2^24 ticks (18 min each)
 * ```
 */
export class TimerWheel {
  /** Timers armed now. */
  armedCount: number;
  /** Timers fired since the start. */
  firedCount: number;
  // The tick that was worked last; int32, wraps after 38 hours, compared by difference.
  private tick: number;
  // While timers fire, the slot being worked is the one of `tick`: it must not move under the handlers.
  private advancing: boolean;
  private readonly heads: (Timer | undefined)[];
  /** Per level, a bit for each slot that holds a timer: two int32 words. */
  private readonly occupied: Int32Array;
  private readonly nowUs: Float64Array;
  private readonly startUs: number;

  constructor(micros: Float64Array) {
    this.armedCount = 0;
    this.firedCount = 0;
    this.tick = 0;
    this.advancing = false;
    this.heads = new Array<Timer | undefined>(LEVELS * SLOTS).fill(undefined);
    this.occupied = new Int32Array(LEVELS * 2);
    this.nowUs = micros;
    this.startUs = micros[0]!;
  }

  /** The tick of the clock's present moment, cut to int32. */
  private clockTick(): number {
    return Math.floor((this.nowUs[0]! - this.startUs) / TICK_US) | 0;
  }

  /** Arms a timer `delayUs` from the clock's present moment; an armed timer is moved. */
  arm(timer: Timer, delayUs: number): void {
    if (timer.armed) this.unlink(timer);
    else {
      // An empty wheel catches up here: nobody wakes to turn it, and after 38 hours the difference of ticks would wrap.
      if (this.armedCount === 0 && !this.advancing) this.tick = this.clockTick();
      timer.armed = true;
      this.armedCount++;
    }
    const delay = Math.min(delayUs, MAX_DELAY_US);
    let ticks = ((Math.ceil((this.nowUs[0]! - this.startUs + delay) / TICK_US) | 0) - this.tick) | 0;
    if (ticks < 1) ticks = 1;
    else if (ticks >= MAX_TICKS) ticks = MAX_TICKS - 1;
    timer.deadlineTick = (this.tick + ticks) | 0;
    this.link(timer);
  }

  /** Disarms a timer; nothing happens when it is not armed. */
  cancel(timer: Timer): void {
    if (!timer.armed) return;
    this.unlink(timer);
    timer.armed = false;
    this.armedCount--;
  }

  /** Fires every timer that is due at the clock's present moment; returns how many. */
  advance(): number {
    const target = this.clockTick();
    const before = this.firedCount;
    if (this.armedCount === 0) this.tick = target;
    this.advancing = true;
    while (((target - this.tick) | 0) > 0) {
      if (this.armedCount === 0) {
        this.tick = target;
        break;
      }
      const idle = this.idleTicks((target - this.tick) | 0);
      if (idle > 0) {
        this.tick = (this.tick + idle) | 0;
        continue;
      }
      this.tick = (this.tick + 1) | 0;
      this.cascade();
      this.fire();
    }
    this.advancing = false;
    return this.firedCount - before;
  }

  /** Microseconds from the clock's present moment to the next time something may be due; `Infinity` when nothing is armed. */
  untilNextUs(): number {
    if (this.armedCount === 0) return Number.POSITIVE_INFINITY;
    const behind = (this.clockTick() - this.tick) | 0;
    const ticks = this.idleTicks(MAX_TICKS) + 1 - behind;
    const delay = ticks * TICK_US - ((this.nowUs[0]! - this.startUs) % TICK_US);
    return Math.max(delay, 0);
  }

  /** Ticks, at most `limit`, that can be skipped because no level has anything in them. */
  private idleTicks(limit: number): number {
    let skip = limit;
    for (let level = 0; level < LEVELS; level++) {
      const shift = level * LEVEL_BITS;
      const here = (this.tick >> shift) & SLOT_MASK;
      const distance = this.nextOccupied(level, here);
      if (distance === 0) continue;
      // The slot `distance` ahead is entered when the tick reaches its start; stop one tick before.
      const start = ((this.tick >> shift) + distance) << shift;
      const idle = (start - this.tick - 1) | 0;
      if (idle < skip) skip = idle;
    }
    return skip;
  }

  /** Distance from slot `here` to the next occupied slot of a level, 1 to 64; 0 when the level is empty. */
  private nextOccupied(level: number, here: number): number {
    if (this.occupied[level * 2] === 0 && this.occupied[level * 2 + 1] === 0) return 0;
    for (let distance = 1; distance <= SLOTS; distance++) {
      const slot = (here + distance) & SLOT_MASK;
      if ((this.occupied[level * 2 + (slot >> 5)]! & (1 << (slot & 31))) !== 0) return distance;
    }
    return 0;
  }

  /** Spreads the slots that begin at this tick over the levels below. */
  private cascade(): void {
    for (let level = 1; level < LEVELS; level++) {
      const shift = level * LEVEL_BITS;
      if ((this.tick & ((1 << shift) - 1)) !== 0) return;
      const index = level * SLOTS + ((this.tick >> shift) & SLOT_MASK);
      let timer = this.heads[index];
      while (timer !== undefined) {
        const next = timer.next;
        this.unlink(timer);
        this.link(timer);
        timer = next;
      }
    }
  }

  private fire(): void {
    const index = this.tick & SLOT_MASK;
    // A timer armed by a handler lands at least one tick ahead, so this ends.
    for (let timer = this.heads[index]; timer !== undefined; timer = this.heads[index]) {
      this.unlink(timer);
      timer.armed = false;
      this.armedCount--;
      this.firedCount++;
      timer.owner.onTimer(timer.kind);
    }
  }

  private link(timer: Timer): void {
    const ticks = (timer.deadlineTick - this.tick) | 0;
    let level = 0;
    while (level < LEVELS - 1 && ticks >= 1 << ((level + 1) * LEVEL_BITS)) level++;
    const slot = (timer.deadlineTick >> (level * LEVEL_BITS)) & SLOT_MASK;
    const index = level * SLOTS + slot;
    const head = this.heads[index];
    timer.level = level;
    timer.slot = slot;
    timer.previous = undefined;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.heads[index] = timer;
    this.occupied[level * 2 + (slot >> 5)]! |= 1 << (slot & 31);
  }

  private unlink(timer: Timer): void {
    const { level, slot, previous, next } = timer;
    if (previous === undefined) {
      this.heads[level * SLOTS + slot] = next;
      if (next === undefined) this.occupied[level * 2 + (slot >> 5)]! &= ~(1 << (slot & 31));
    } else {
      previous.next = next;
    }
    if (next !== undefined) next.previous = previous;
    timer.previous = undefined;
    timer.next = undefined;
  }
}
