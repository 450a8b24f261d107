// Keys of the fleet, as what uses them wants them.

import { SipHash } from 'demikernel/migration';

/** The hash behind the MAC of messages. @param key 16 bytes @throws RangeError */
export function sipHashOf(key: Uint8Array): SipHash {
  if (key.length !== 16) throw new RangeError('a header key has 16 bytes');
  const view = new DataView(key.buffer, key.byteOffset, 16);
  return new SipHash(
    view.getInt32(0, true),
    view.getInt32(4, true),
    view.getInt32(8, true),
    view.getInt32(12, true),
  );
}
