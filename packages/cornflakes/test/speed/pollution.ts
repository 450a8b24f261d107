// A program with many types of messages: V8's inline caches see more than one, as in a real one.

import { Batch, Everything, GetReq, GetResp, Point, Tick } from '../contract/contract.ts';
import { OldEverything } from '../contract/old-everything.ts';

export function pollute(): void {
  const types = [Point, Batch, Everything, OldEverything, GetReq, GetResp, Tick];
  for (let i = 0; i < 20_000; i++) {
    for (const type of types) {
      const message = type.acquire();
      const read = type.acquire();
      read.tryRead(message.toBytes());
      read.release();
      message.release();
    }
  }
}
