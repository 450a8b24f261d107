// Numbers of include/uapi/linux/io_uring.h: operations, flags, positions in entries. What is done with them: io-uring.ts.

// enum io_uring_op
export const IORING_OP_NOP = 0;
export const IORING_OP_READV = 1;
export const IORING_OP_WRITEV = 2;
export const IORING_OP_FSYNC = 3;
export const IORING_OP_READ_FIXED = 4;
export const IORING_OP_WRITE_FIXED = 5;
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_POLL_REMOVE = 7;
export const IORING_OP_SENDMSG = 9;
export const IORING_OP_RECVMSG = 10;
export const IORING_OP_TIMEOUT = 11;
export const IORING_OP_TIMEOUT_REMOVE = 12;
export const IORING_OP_ACCEPT = 13;
export const IORING_OP_ASYNC_CANCEL = 14;
export const IORING_OP_LINK_TIMEOUT = 15;
export const IORING_OP_CONNECT = 16;
export const IORING_OP_FALLOCATE = 17;
export const IORING_OP_CLOSE = 19;
export const IORING_OP_READ = 22;
export const IORING_OP_WRITE = 23;
export const IORING_OP_SEND = 26;
export const IORING_OP_RECV = 27;
export const IORING_OP_SHUTDOWN = 34;
export const IORING_OP_MSG_RING = 40;
export const IORING_OP_SEND_ZC = 47;
export const IORING_OP_SENDMSG_ZC = 48;
export const IORING_OP_FUTEX_WAIT = 51;
export const IORING_OP_FUTEX_WAKE = 52;
export const IORING_OP_FTRUNCATE = 55;

// sqe->flags, IOSQE_*
export const IOSQE_FIXED_FILE = 1;
/** Starts when everything before it is complete. */
export const IOSQE_IO_DRAIN = 2;
/** The next entry starts when this one has succeeded; a failure cancels the rest of the chain. */
export const IOSQE_IO_LINK = 4;
/** As IO_LINK, but a failure does not break the chain. */
export const IOSQE_IO_HARDLINK = 8;
export const IOSQE_ASYNC = 16;
export const IOSQE_BUFFER_SELECT = 32;
export const IOSQE_CQE_SKIP_SUCCESS = 64;

// Positions in an entry (struct io_uring_sqe, 64 bytes) as 32-bit words.
/** opcode u8, flags u8, ioprio u16. */
export const SQE_HEAD = 0;
export const SQE_FD = 1;
/** Two words: file offset; for a timeout the number of completions; for connect and accept the address's length. */
export const SQE_OFFSET = 2;
/** Two words. */
export const SQE_ADDRESS = 4;
export const SQE_LENGTH = 6;
/** `msg_flags`, `rw_flags`, `fsync_flags`, `poll32_events`, `accept_flags`, `cancel_flags`, … */
export const SQE_OPERATION_FLAGS = 7;
/** Two words, given back in the completion. */
export const SQE_USER_DATA = 8;
/** Low half: index of a registered buffer, or the group to choose a buffer from. */
export const SQE_BUFFER = 10;
export const SQE_FILE_INDEX = 11;
export const SQE_WORDS = 16;
/** Where `flags` and `ioprio` lie in word {@link SQE_HEAD}. */
export const SQE_FLAGS_SHIFT = 8;
export const SQE_IOPRIO_SHIFT = 16;

// sqe->ioprio of socket operations
export const IORING_RECVSEND_POLL_FIRST = 1;
export const IORING_RECV_MULTISHOT = 2;
export const IORING_RECVSEND_FIXED_BUF = 4;
export const IORING_SEND_ZC_REPORT_USAGE = 8;
export const IORING_RECVSEND_BUNDLE = 16;
export const IORING_ACCEPT_MULTISHOT = 1;
/** sqe->len of POLL_ADD. */
export const IORING_POLL_ADD_MULTI = 1;
/** sqe->fsync_flags. */
export const IORING_FSYNC_DATASYNC = 1;

// sqe->cancel_flags, and struct io_uring_sync_cancel_reg
export const IORING_ASYNC_CANCEL_ALL = 1;
export const IORING_ASYNC_CANCEL_FD = 2;
export const IORING_ASYNC_CANCEL_ANY = 4;

// cqe->flags
/** The upper half names the buffer that was chosen. */
export const IORING_CQE_F_BUFFER = 1;
/** More completions of the same entry will come. */
export const IORING_CQE_F_MORE = 2;
export const IORING_CQE_F_SOCK_NONEMPTY = 4;
/** The second completion of a zero-copy send: the memory is free again. */
export const IORING_CQE_F_NOTIF = 8;
export const IORING_CQE_BUFFER_SHIFT = 16;

// io_uring_params.flags
export const IORING_SETUP_SQPOLL: number = 1 << 1;
export const IORING_SETUP_CQSIZE: number = 1 << 3;
export const IORING_SETUP_CLAMP: number = 1 << 4;
export const IORING_SETUP_SUBMIT_ALL: number = 1 << 7;
export const IORING_SETUP_COOP_TASKRUN: number = 1 << 8;
export const IORING_SETUP_TASKRUN_FLAG: number = 1 << 9;
export const IORING_SETUP_SINGLE_ISSUER: number = 1 << 12;
export const IORING_SETUP_DEFER_TASKRUN: number = 1 << 13;
export const IORING_SETUP_NO_SQARRAY: number = 1 << 16;

// io_uring_params.features
export const IORING_FEAT_SINGLE_MMAP: number = 1 << 0;
export const IORING_FEAT_NODROP: number = 1 << 1;
export const IORING_FEAT_EXT_ARG: number = 1 << 8;
export const IORING_FEAT_RECVSEND_BUNDLE: number = 1 << 14;

// io_uring_enter(2)
export const IORING_ENTER_GETEVENTS = 1;
export const IORING_ENTER_SQ_WAKEUP = 2;
export const IORING_ENTER_SQ_WAIT = 4;
export const IORING_ENTER_EXT_ARG = 8;

// flags of the submission ring
export const IORING_SQ_NEED_WAKEUP = 1;
export const IORING_SQ_CQ_OVERFLOW = 2;
export const IORING_SQ_TASKRUN = 4;
/** flags of the completion ring: no signal to the registered eventfd. */
export const IORING_CQ_EVENTFD_DISABLED = 1;

// io_uring_register(2)
export const IORING_REGISTER_BUFFERS = 0;
export const IORING_UNREGISTER_BUFFERS = 1;
export const IORING_REGISTER_FILES = 2;
export const IORING_REGISTER_EVENTFD = 4;
export const IORING_REGISTER_PROBE = 8;
export const IORING_REGISTER_PBUF_RING = 22;
export const IORING_UNREGISTER_PBUF_RING = 23;
export const IORING_REGISTER_SYNC_CANCEL = 24;

// mmap(2) offsets
export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_CQ_RING = 0x800_0000;
export const IORING_OFF_SQES = 0x1000_0000;
