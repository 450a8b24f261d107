// Descriptors that travel in a message over a UNIX socket: SCM_RIGHTS, unix(7). The message itself is in message.ts.

import { SOL_SOCKET } from './socket.ts';

const SCM_RIGHTS = 1;
/** Received descriptors are close-on-exec, recvmsg(2). */
export const MSG_CMSG_CLOEXEC = 0x40000000;

// struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }, then the descriptors, padded to 8 bytes.
const HEADER_BYTES = 16;

/** Room that the control part of a message needs for `count` descriptors. */
export function rightsBytes(count: number): number {
  return HEADER_BYTES + ((count * 4 + 7) & ~7);
}

/** Writes descriptors into the control part of a message to be sent. Returns its length in bytes. */
export function writeRights(control: DataView, descriptors: readonly number[]): number {
  control.setInt32(0, HEADER_BYTES + descriptors.length * 4, true);
  control.setInt32(4, 0, true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  descriptors.forEach((fd, i) => {
    control.setInt32(HEADER_BYTES + i * 4, fd, true);
  });
  return rightsBytes(descriptors.length);
}

/** The descriptors in the control part of a received message, which are the caller's to close. */
export function readRights(control: DataView, lengthBytes: number): number[] {
  const descriptors: number[] = [];
  const end = Math.min(lengthBytes, control.byteLength);
  for (let at = 0; at + HEADER_BYTES <= end; ) {
    const length = control.getInt32(at, true);
    if (length < HEADER_BYTES || at + length > end) break;
    if (control.getInt32(at + 8, true) === SOL_SOCKET && control.getInt32(at + 12, true) === SCM_RIGHTS) {
      for (let fd = at + HEADER_BYTES; fd + 4 <= at + length; fd += 4) {
        descriptors.push(control.getInt32(fd, true));
      }
    }
    at += (length + 7) & ~7;
  }
  return descriptors;
}
