// What a device holds, told by the magic numbers of file systems, partition tables, volumes and members of arrays: so that
// nobody's data is overwritten by mistake. Reads through whatever it is given.

/** Reads bytes of the device. */
export type ReadBytes = (offset: number, lengthBytes: number) => Uint8Array;

interface Signature {
  what: string;
  at: number;
  /** Hexadecimal. */
  magic: string;
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

// Offsets as the file systems' own headers and Documentation/filesystems give them.
const SIGNATURES: readonly Signature[] = [
  { what: 'an ext2, ext3 or ext4 file system', at: 0x438, magic: '53ef' },
  { what: 'an XFS file system', at: 0, magic: hex('XFSB') },
  { what: 'a Btrfs file system', at: 0x10040, magic: hex('_BHRfS_M') },
  { what: 'an F2FS file system', at: 0x400, magic: '1020f5f2' },
  { what: 'an EROFS file system', at: 0x400, magic: 'e2e1f5e0' },
  { what: 'a SquashFS file system', at: 0, magic: hex('hsqs') },
  { what: 'a bcachefs file system', at: 0x1018, magic: 'c68573f64e1a45ca8265f57f48ba6d81' },
  { what: 'a bcache device', at: 0x1018, magic: 'c68573f6664a48a9b6c06c2f52f0c5fa' },
  { what: 'an NTFS file system', at: 3, magic: hex('NTFS    ') },
  { what: 'an exFAT file system', at: 3, magic: hex('EXFAT   ') },
  { what: 'a FAT file system', at: 54, magic: hex('FAT') },
  { what: 'a FAT file system', at: 82, magic: hex('FAT32') },
  { what: 'a JFS file system', at: 0x8000, magic: hex('JFS1') },
  { what: 'a ReiserFS file system', at: 0x10034, magic: hex('ReIsEr') },
  { what: 'an ISO 9660 file system', at: 0x8001, magic: hex('CD001') },
  { what: 'an OCFS2 file system', at: 0x1000, magic: hex('OCFSV2') },
  { what: 'a GFS2 file system', at: 0x10000, magic: '01161970' },
  { what: 'a Ceph BlueStore', at: 0, magic: hex('bluestore block device') },
  { what: 'an encrypted volume (LUKS)', at: 0, magic: '4c554b53babe' },
  { what: 'swap space', at: 4086, magic: hex('SWAPSPACE2') },
  { what: 'swap space', at: 4086, magic: hex('SWAP-SPACE') },
  { what: 'a member of a RAID array', at: 0, magic: 'fc4e2ba9' },
  { what: 'a member of a RAID array', at: 0x1000, magic: 'fc4e2ba9' },
  ...[0, 512, 1024, 1536].map(at => ({ what: 'an LVM volume', at, magic: hex('LABELONE') })),
  ...[0x20000, 0x20400, 0x21000].map(at => ({ what: 'a ZFS pool', at, magic: '0cb1ba' })),
  { what: 'a GUID partition table', at: 512, magic: hex('EFI PART') },
  { what: 'a GUID partition table', at: 4096, magic: hex('EFI PART') },
];

/** Counted from the end. */
const LAST_SIGNATURES: readonly Signature[] = [
  { what: 'a GUID partition table', at: 512, magic: hex('EFI PART') },
  { what: 'a GUID partition table', at: 4096, magic: hex('EFI PART') },
];
/** RAID superblocks of versions 0.90 and 1.0 lie at the end: in 64 KiB units, and within the last 12 KiB. */
const RAID_MAGIC = 'fc4e2ba9';

/** How far from the beginning, and from the end, signatures are looked for. */
export const SIGNATURE_FRONT_BYTES: number = 256 << 10;
export const SIGNATURE_BACK_BYTES: number = 128 << 10;

/** What a device holds, in words; `undefined` when nothing is recognised. */
export function findSignature(read: ReadBytes, lengthBytes: number): string | undefined {
  const front = Buffer.from(read(0, Math.min(SIGNATURE_FRONT_BYTES, lengthBytes)));
  for (const { what, at, magic } of SIGNATURES) if (holds(front, at, magic)) return what;
  if (isMasterBootRecord(front)) return 'a partition table';
  if (lengthBytes < SIGNATURE_FRONT_BYTES + SIGNATURE_BACK_BYTES) return undefined;
  const back = Buffer.from(read(lengthBytes - SIGNATURE_BACK_BYTES, SIGNATURE_BACK_BYTES));
  for (const { what, at, magic } of LAST_SIGNATURES)
    if (holds(back, SIGNATURE_BACK_BYTES - at, magic)) return what;
  const last64 = lengthBytes - (lengthBytes % (64 << 10)) - (64 << 10);
  const last8 = Math.floor(lengthBytes / 512 - 16) * 512;
  for (const at of [last64, last8 - (last8 % 4096)]) {
    if (holds(back, at - (lengthBytes - SIGNATURE_BACK_BYTES), RAID_MAGIC)) return 'a member of a RAID array';
  }
  return undefined;
}

function holds(bytes: Buffer, at: number, magic: string): boolean {
  const length = magic.length / 2;
  return at >= 0 && at + length <= bytes.length && bytes.toString('hex', at, at + length) === magic;
}

/** A boot signature, and a partition that is one. */
function isMasterBootRecord(front: Buffer): boolean {
  if (!holds(front, 510, '55aa')) return false;
  for (let at = 446; at < 510; at += 16) {
    const active = front[at]!;
    if (front[at + 4] !== 0 && (active === 0 || active === 0x80) && front.readUInt32LE(at + 12) !== 0)
      return true;
  }
  return false;
}

/** Whether the beginning of a device is all zeros. */
export function isBlank(read: ReadBytes, lengthBytes: number): boolean {
  const front = read(0, Math.min(SIGNATURE_FRONT_BYTES, lengthBytes));
  return front.every(byte => byte === 0);
}
