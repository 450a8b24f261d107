// The controller's registers (NVM Express Base Specification 2.0, section 3.1), as indices of 32-bit words. They are read and
// written as whole words only.

/** Capabilities, low and high half. */
export const CAP_LOW: number = 0x00 >> 2;
export const CAP_HIGH: number = 0x04 >> 2;
/** Version: major 31:16, minor 15:8. */
export const VS: number = 0x08 >> 2;
/** Interrupt mask set: nothing is to interrupt. */
export const INTMS: number = 0x0c >> 2;
/** Controller configuration. */
export const CC: number = 0x14 >> 2;
/** Controller status. */
export const CSTS: number = 0x1c >> 2;
/** Admin queue attributes, addresses. */
export const AQA: number = 0x24 >> 2;
export const ASQ_LOW: number = 0x28 >> 2;
export const ASQ_HIGH: number = 0x2c >> 2;
export const ACQ_LOW: number = 0x30 >> 2;
export const ACQ_HIGH: number = 0x34 >> 2;
/** Where the doorbells begin. */
export const DOORBELLS: number = 0x1000 >> 2;

export const CC_ENABLE = 1;
/** Entries of 64 and 16 bytes, pages of 4096, the NVM command set, round robin. */
export const CC_LAYOUT: number = (6 << 16) | (4 << 20);
/** A normal shutdown is to come. */
export const CC_SHUTDOWN: number = 1 << 14;

export const CSTS_READY = 1;
export const CSTS_FATAL = 2;
export const CSTS_SHUTDOWN_MASK: number = 3 << 2;
export const CSTS_SHUTDOWN_COMPLETE: number = 2 << 2;
/** What every register of a device that is gone reads as. */
export const GONE = 0xffff_ffff;

/** Pages that the controller is told addresses in. */
export const NVME_PAGE_BYTES = 4096;
export const NVME_PAGE_SHIFT = 12;
export const SUBMISSION_ENTRY_WORDS = 16;
export const COMPLETION_ENTRY_WORDS = 4;

/** What the capabilities say. */
export interface Capabilities {
  /** Most entries of a queue. */
  maxQueueEntries: number;
  /** Longest time that becoming ready, or not ready, takes. */
  readyTimeoutMs: number;
  /** Words from one doorbell to the next. */
  doorbellStrideWords: number;
  /** It takes pages of 4096 bytes. */
  smallPages: boolean;
  /** It speaks the NVM command set. */
  nvmCommands: boolean;
}

export function readCapabilities(low: number, high: number): Capabilities {
  return {
    maxQueueEntries: (low & 0xffff) + 1,
    readyTimeoutMs: ((low >>> 24) & 0xff) * 500,
    doorbellStrideWords: 1 << (high & 0xf),
    smallPages: ((high >>> 16) & 0xf) === 0,
    nvmCommands: ((high >>> 5) & 1) !== 0,
  };
}
