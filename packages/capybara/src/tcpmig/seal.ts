// State travels sealed: AES-256-GCM, under a key that only this attempt to move this connection has. Once per migration, never per
// packet.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { MigrationName } from './flow.ts';

/** Bytes that sealing adds: the tag of GCM. */
export const SEAL_BYTES = 16;
/** Bytes of a fleet key. */
export const FLEET_KEY_BYTES = 32;

/** In front of everything that a key is made of: what the key is for (RFC 5869 section 3.2). */
const LABEL = Buffer.from('demikernel capybara state 1');
const INFO_BYTES: number = LABEL.length + 33;
/** Each key seals one message, and a repeated one again as it was: one nonce does for all (NIST SP 800-38D section 8). */
const NONCE = new Uint8Array(12);

/** Who may open, and from when: a change of any of these is another key. */
export interface SealName extends MigrationName {
  readonly epoch: number;
  readonly origin: number;
  readonly target: number;
}

/** Seals and opens states under a fleet's key. */
export class StateSeal {
  private readonly fleetKey: KeyObject;

  /** @throws RangeError when the key has not {@link FLEET_KEY_BYTES} */
  constructor(fleetKey: Uint8Array) {
    if (fleetKey.length !== FLEET_KEY_BYTES) throw new RangeError(`a fleet key has ${FLEET_KEY_BYTES} bytes`);
    this.fleetKey = createSecretKey(fleetKey);
  }

  seal(name: SealName, state: Uint8Array): Uint8Array {
    const cipher = createCipheriv('aes-256-gcm', this.key(name), NONCE);
    const sealed = new Uint8Array(state.length + SEAL_BYTES);
    sealed.set(cipher.update(state), 0);
    cipher.final();
    sealed.set(cipher.getAuthTag(), state.length);
    return sealed;
  }

  /** The state; `undefined` when it is not what somebody with the key has sealed for exactly this. */
  open(name: SealName, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < SEAL_BYTES) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.key(name), NONCE);
    decipher.setAuthTag(sealed.subarray(sealed.length - SEAL_BYTES));
    const state = decipher.update(sealed.subarray(0, sealed.length - SEAL_BYTES));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return state;
  }

  /** HKDF's second half (RFC 5869 section 3.3: a key that is uniform already needs no first). */
  private key(name: SealName): Uint8Array {
    const bytes = Buffer.allocUnsafe(INFO_BYTES);
    bytes.set(LABEL);
    const info = new DataView(bytes.buffer, bytes.byteOffset + LABEL.length);
    info.setInt32(0, name.identifierLow);
    info.setInt32(4, name.identifierHigh);
    info.setInt32(8, name.clientAddress);
    info.setInt32(12, name.virtualAddress);
    info.setUint16(16, name.clientPort);
    info.setUint16(18, name.virtualPort);
    info.setInt32(20, name.epoch);
    info.setInt32(24, name.origin);
    info.setInt32(28, name.target);
    info.setUint8(32, 1);
    return createHmac('sha256', this.fleetKey).update(bytes).digest();
  }
}
