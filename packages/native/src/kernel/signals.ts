// Signals for a loop that owns its thread. Node dispatches signals from its event loop, which a spinning thread never
// turns; signalfd(2) does not work either, because V8's worker threads leave the signals unblocked and take them.
// So: a private libuv loop (libuv is exported by Node itself) with nothing in it but signal handles.

import { DemiError } from '@demikernel/memory';
import type { Address } from './library.ts';
import { koffi } from './library.ts';
import type { MemoryMap } from './memory-map.ts';
import { mapAnonymous } from './memory-map.ts';

// include/uapi/asm-generic/signal.h
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGUSR1 = 10;
export const SIGUSR2 = 12;
export const SIGTERM = 15;

// uv.h
const UV_SIGNAL = 16;
const UV_RUN_NOWAIT = 2;

/** The functions of libuv used here (docs.libuv.org: loop, signal, handle). */
interface Libuv {
  uv_loop_size(): number;
  uv_handle_size(kind: number): number;
  uv_loop_init(loop: Address): number;
  uv_loop_close(loop: Address): number;
  uv_backend_fd(loop: Address): number;
  uv_run(loop: Address, mode: number): number;
  uv_signal_init(loop: Address, handle: Address): number;
  uv_signal_start(handle: Address, callback: Address, signal: number): number;
  uv_close(handle: Address, callback: Address): void;
}

let loaded: Libuv | undefined;

function libuv(): Libuv {
  if (loaded !== undefined) return loaded;
  const library = koffi().load(null);
  const address = 'uintptr_t';
  loaded = {
    uv_loop_size: library.func('uv_loop_size', 'size_t', []),
    uv_handle_size: library.func('uv_handle_size', 'size_t', ['int']),
    uv_loop_init: library.func('uv_loop_init', 'int', [address]),
    uv_loop_close: library.func('uv_loop_close', 'int', [address]),
    uv_backend_fd: library.func('uv_backend_fd', 'int', [address]),
    uv_run: library.func('uv_run', 'int', [address, 'int']),
    uv_signal_init: library.func('uv_signal_init', 'int', [address, address]),
    uv_signal_start: library.func('uv_signal_start', 'int', [address, address, 'int']),
    uv_close: library.func('uv_close', 'void', [address, address]),
  } as unknown as Libuv;
  return loaded;
}

/**
 * Catches signals while JavaScript spins.
 *
 * While it is open the signals do not end the process. Handlers that Node itself was given (`process.on`) still get
 * them, later, from the event loop. After {@link close} the default disposition is back, if nobody else listens; what
 * Node had put on SIGUSR1 (its inspector) is not, so leave that one alone.
 */
export class SignalWatch {
  /** Readable when a signal has arrived; joins a poll set. Never read it: call {@link check}. */
  readonly descriptor: number;
  readonly #map: MemoryMap;
  readonly #uv: Libuv;
  readonly #loop: Address;
  readonly #handles: Address[];
  readonly #callback: bigint;
  readonly #arrived: Uint8Array;
  #pending: number;
  #closed: boolean;

  /**
   * @param signals signal numbers, for example `[SIGINT, SIGTERM]`
   * @throws DemiError `ERR_DEMI_SIGNAL` when libuv refuses one (SIGKILL, SIGSTOP, an unknown number)
   */
  constructor(signals: readonly number[]) {
    const uv = libuv();
    const loopBytes = (uv.uv_loop_size() + 63) & ~63;
    const handleBytes = (uv.uv_handle_size(UV_SIGNAL) + 63) & ~63;
    this.#uv = uv;
    this.#map = mapAnonymous({ lengthBytes: loopBytes + handleBytes * signals.length });
    this.#loop = this.#map.addressNumber;
    this.#handles = [];
    this.#arrived = new Uint8Array(128);
    this.#pending = 0;
    this.#closed = false;
    const { proto, pointer, register } = koffi();
    this.#callback = register(
      (_handle: unknown, signal: number) => {
        if (this.#arrived[signal] === 0) this.#pending++;
        this.#arrived[signal] = 1;
      },
      pointer(signalCallback(proto)),
    );
    let failed = uv.uv_loop_init(this.#loop);
    this.descriptor = failed === 0 ? uv.uv_backend_fd(this.#loop) : -1;
    for (let index = 0; index < signals.length && failed === 0; index++) {
      const handle = this.#loop + loopBytes + handleBytes * index;
      failed = uv.uv_signal_init(this.#loop, handle);
      if (failed !== 0) break;
      this.#handles.push(handle);
      failed = uv.uv_signal_start(handle, Number(this.#callback), signals[index]!);
    }
    if (failed !== 0) {
      this.close();
      throw new DemiError('ERR_DEMI_SIGNAL', `Cannot watch signals ${signals.join(', ')}`, {
        errno: -failed,
        syscall: 'uv_signal_start',
      });
    }
  }

  /** A signal that has arrived and was not reported yet, lowest number first, or 0. About 0.3 µs: not per packet. */
  check(): number {
    if (this.#closed) return 0;
    if (this.#pending === 0) {
      this.#uv.uv_run(this.#loop, UV_RUN_NOWAIT);
      if (this.#pending === 0) return 0;
    }
    const signal = this.#arrived.indexOf(1);
    this.#arrived[signal] = 0;
    this.#pending--;
    return signal;
  }

  /** Stops watching. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.descriptor !== -1) {
      for (const handle of this.#handles) this.#uv.uv_close(handle, 0);
      // One turn runs the close, the loop is then empty.
      this.#uv.uv_run(this.#loop, UV_RUN_NOWAIT);
      this.#uv.uv_loop_close(this.#loop);
    }
    koffi().unregister(this.#callback);
    this.#map.release();
  }
}

let callbackType: unknown;

/** koffi knows a type by its name, once per thread. */
function signalCallback(proto: (definition: string) => unknown): unknown {
  callbackType ??= proto('void DemikernelSignalCallback(void *handle, int signal)');
  return callbackType;
}
