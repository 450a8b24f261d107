// Tags of requests: their kind in the low bits, and what the kind wants to know again above them.

export const KIND_BITS = 4;
export const KIND_MASK = 15;

export const RECEIVE = 1;
export const SEND = 2;
export const WRITABLE = 3;
/** Above: the attempt. */
export const CONNECT = 4;
export const ACCEPT = 5;
/** Above: the place of the references that are held until the kernel is done with the memory. */
export const SEND_HELD = 6;
/** Above: the operation's index. */
export const SEND_DATAGRAM = 7;
