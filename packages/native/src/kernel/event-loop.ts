// A descriptor watched from Node's event loop, for the modes in which the loop shares its thread with Node.

import type { PollHandle, PollOptions } from './library.ts';
import { koffi } from './library.ts';

export interface WatchOptions {
  /** Default `true` unless `writable` is given. */
  readable?: boolean;
  writable?: boolean;
  /** Default `true`: the watch keeps the process alive. */
  ref?: boolean;
}

// koffi's handle stops silently when it is garbage-collected, so the open ones are held here.
const open = new Set<DescriptorWatch>();

/**
 * Calls back, once per turn of the event loop, while a descriptor is ready (level-triggered, `uv_poll_t`).
 *
 * Close the watch before the descriptor. One watch per descriptor; a regular file cannot be watched.
 */
export class DescriptorWatch {
  readonly #handle: PollHandle;
  #closed: boolean;

  /** @internal Use {@link watchDescriptor}. */
  constructor(fd: number, options: WatchOptions, callback: () => void) {
    const wanted: PollOptions = {
      readable: options.readable ?? options.writable !== true,
      writable: options.writable ?? false,
    };
    this.#closed = false;
    this.#handle = koffi().node.poll(fd, wanted, () => {
      if (this.#closed) return;
      // An exception here would be swallowed by koffi: let it surface as Node does for its own callbacks.
      try {
        callback();
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    });
    if (options.ref === false) this.#handle.unref();
    open.add(this);
  }

  ref(): void {
    if (!this.#closed) this.#handle.ref();
  }

  unref(): void {
    if (!this.#closed) this.#handle.unref();
  }

  /** Stops watching; the descriptor stays open. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    open.delete(this);
    this.#handle.stop();
    this.#handle.close();
  }
}

/**
 * Watches `fd` from Node's event loop.
 *
 * @throws Error from libuv when the descriptor cannot be polled (EBADF, EPERM for regular files, EEXIST when watched)
 */
export function watchDescriptor(fd: number, options: WatchOptions, callback: () => void): DescriptorWatch {
  return new DescriptorWatch(fd, options, callback);
}
