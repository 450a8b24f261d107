// What thread-receiver.ts and receiver-thread.ts tell each other through shared memory.
//
//   int32 command | int32 bytes to receive | int32 state | … | float64 nanoseconds that receiving took

export const COMMAND = 0;
export const COMMAND_BYTES = 1;
export const STATE = 2;
export const COMMAND_WORDS = 4;
export const NANOSECONDS_AT = 16;
export const SHARED_BYTES = 24;

export const COMMAND_NONE = 0;
export const COMMAND_RECEIVE = 1;
export const COMMAND_CLOSE = 2;

export const STATE_DONE = 1;

export interface ThreadOptions {
  shared: SharedArrayBuffer;
  libos: 'catmem';
  /** Where to run. */
  processor: number;
}
