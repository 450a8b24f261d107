// What an application says about its connections, and hears of them.

/** How one connection leaves. Every hook runs on the loop's thread and must not wait. */
export interface MigratableHooks {
  /** Whether the connection may leave now. Absent: yes. Who refuses is asked again at the next attempt. */
  mayLeave?(): boolean;
  /**
   * What the application knows about the connection beside its bytes, for who goes on with it. The connection is frozen: every
   * byte pushed so far counts as sent, every byte popped as received, and what waits unread travels by itself.
   */
  save(): Uint8Array;
  /**
   * The connection is read by promises: what has arrived may be on its way to a handler that has not run yet, which nobody can
   * see. It leaves while a read waits; a handler that is busy with what it has read says so by `mayLeave`.
   */
  readonly readByPromises?: boolean;
  /** It is elsewhere. Operations on its queue have been cancelled; the queue is there to be closed. */
  left?(): void;
  /** It did not leave after all and goes on: what was saved is worth nothing. */
  stayed?(): void;
  /** It is gone, nobody has it. Operations have ended with ECONNRESET or ECANCELED; the queue is there to be closed. */
  lost?(): void;
}

/** A connection that has arrived, and is as good as accepted. */
export interface Arrival {
  /** Its queue: to be popped, pushed and closed by the application. */
  readonly qd: number;
  /** What `save` returned where it comes from; a copy. */
  readonly saved: Uint8Array;
  /** Backend that it comes from. */
  readonly origin: number;
}

/** How connections arrive at a listener. */
export interface ArrivalHooks {
  /** Whether one more may come. Absent: yes. */
  mayArrive?(): boolean;
  /**
   * Whether what the application has saved where the connection comes from can be restored here: another version may have written
   * it. Asked before the connection is taken over: who says no leaves it where it is. Absent: yes. What throws says no.
   */
  canGoOn?(saved: Uint8Array): boolean;
  /** One is here. To let it go on, make it migratable again. What throws here has its connection reset. */
  arrived(arrival: Arrival): void;
}
