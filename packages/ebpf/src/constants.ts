// Numbers of the kernel's programming interface: actions, context fields, helpers, types and flags.
// Source: linux/bpf.h, linux/if_link.h. Nothing here calls the kernel.

// What an XDP program returns (enum xdp_action).
export const XDP_ABORTED = 0;
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_TX = 3;
export const XDP_REDIRECT = 4;

// Offsets in struct xdp_md, the context of an XDP program; every field is 32 bits.
export const XDP_MD_DATA = 0;
export const XDP_MD_DATA_END = 4;
export const XDP_MD_DATA_META = 8;
export const XDP_MD_INGRESS_IFINDEX = 12;
export const XDP_MD_RX_QUEUE_INDEX = 16;
export const XDP_MD_EGRESS_IFINDEX = 20;

// Kernel functions a program can call (___BPF_FUNC_MAPPER).
export const HELPER_MAP_LOOKUP_ELEM = 1;
export const HELPER_MAP_UPDATE_ELEM = 2;
export const HELPER_MAP_DELETE_ELEM = 3;
export const HELPER_KTIME_GET_NS = 5;
export const HELPER_TRACE_PRINTK = 6;
export const HELPER_GET_PRANDOM_U32 = 7;
export const HELPER_GET_SMP_PROCESSOR_ID = 8;
export const HELPER_TAIL_CALL = 12;
export const HELPER_REDIRECT = 23;
export const HELPER_SKB_LOAD_BYTES = 26;
export const HELPER_CSUM_DIFF = 28;
export const HELPER_XDP_ADJUST_HEAD = 44;
export const HELPER_REDIRECT_MAP = 51;
export const HELPER_XDP_ADJUST_META = 54;
export const HELPER_XDP_ADJUST_TAIL = 65;
export const HELPER_FIB_LOOKUP = 69;
export const HELPER_RINGBUF_OUTPUT = 130;
export const HELPER_RINGBUF_RESERVE = 131;
export const HELPER_RINGBUF_SUBMIT = 132;
export const HELPER_RINGBUF_DISCARD = 133;
export const HELPER_RINGBUF_QUERY = 134;
export const HELPER_KTIME_GET_COARSE_NS = 160;
export const HELPER_CHECK_MTU = 163;
export const HELPER_LOOP = 181;
export const HELPER_XDP_GET_BUFF_LEN = 188;
export const HELPER_XDP_LOAD_BYTES = 189;
export const HELPER_XDP_STORE_BYTES = 190;

/** Names of the helpers above, for listings. */
export const HELPER_NAMES: Readonly<Record<number, string>> = {
  [HELPER_MAP_LOOKUP_ELEM]: 'map_lookup_elem',
  [HELPER_MAP_UPDATE_ELEM]: 'map_update_elem',
  [HELPER_MAP_DELETE_ELEM]: 'map_delete_elem',
  [HELPER_KTIME_GET_NS]: 'ktime_get_ns',
  [HELPER_TRACE_PRINTK]: 'trace_printk',
  [HELPER_GET_PRANDOM_U32]: 'get_prandom_u32',
  [HELPER_GET_SMP_PROCESSOR_ID]: 'get_smp_processor_id',
  [HELPER_TAIL_CALL]: 'tail_call',
  [HELPER_REDIRECT]: 'redirect',
  [HELPER_SKB_LOAD_BYTES]: 'skb_load_bytes',
  [HELPER_CSUM_DIFF]: 'csum_diff',
  [HELPER_XDP_ADJUST_HEAD]: 'xdp_adjust_head',
  [HELPER_REDIRECT_MAP]: 'redirect_map',
  [HELPER_XDP_ADJUST_META]: 'xdp_adjust_meta',
  [HELPER_XDP_ADJUST_TAIL]: 'xdp_adjust_tail',
  [HELPER_FIB_LOOKUP]: 'fib_lookup',
  [HELPER_RINGBUF_OUTPUT]: 'ringbuf_output',
  [HELPER_RINGBUF_RESERVE]: 'ringbuf_reserve',
  [HELPER_RINGBUF_SUBMIT]: 'ringbuf_submit',
  [HELPER_RINGBUF_DISCARD]: 'ringbuf_discard',
  [HELPER_RINGBUF_QUERY]: 'ringbuf_query',
  [HELPER_KTIME_GET_COARSE_NS]: 'ktime_get_coarse_ns',
  [HELPER_CHECK_MTU]: 'check_mtu',
  [HELPER_LOOP]: 'loop',
  [HELPER_XDP_GET_BUFF_LEN]: 'xdp_get_buff_len',
  [HELPER_XDP_LOAD_BYTES]: 'xdp_load_bytes',
  [HELPER_XDP_STORE_BYTES]: 'xdp_store_bytes',
};

// enum bpf_prog_type
export const PROGRAM_TYPE_SOCKET_FILTER = 1;
export const PROGRAM_TYPE_SCHED_CLS = 3;
export const PROGRAM_TYPE_XDP = 6;

/** BPF_F_XDP_HAS_FRAGS: the program understands packets of several buffers (MTU above 3506, XDP_USE_SG). */
export const PROGRAM_XDP_HAS_FRAGS: number = 1 << 5;

// enum bpf_attach_type
export const ATTACH_XDP = 37;

// enum bpf_map_type
export const MAP_TYPE_HASH = 1;
export const MAP_TYPE_ARRAY = 2;
export const MAP_TYPE_PROG_ARRAY = 3;
export const MAP_TYPE_PERCPU_HASH = 5;
export const MAP_TYPE_PERCPU_ARRAY = 6;
export const MAP_TYPE_LRU_HASH = 9;
export const MAP_TYPE_LRU_PERCPU_HASH = 10;
export const MAP_TYPE_DEVMAP = 14;
export const MAP_TYPE_XSKMAP = 17;
export const MAP_TYPE_DEVMAP_HASH = 25;
export const MAP_TYPE_RINGBUF = 27;

// Flags of map creation.
export const MAP_NO_PREALLOC: number = 1 << 0;
export const MAP_MMAPABLE: number = 1 << 10;

// Flags of map update.
/** Create or replace. */
export const UPDATE_ANY = 0;
/** Create only: EEXIST otherwise. */
export const UPDATE_NO_EXIST = 1;
/** Replace only: ENOENT otherwise. */
export const UPDATE_EXIST = 2;

// Flags of an XDP attachment (linux/if_link.h).
export const XDP_FLAGS_SKB_MODE: number = 1 << 1;
export const XDP_FLAGS_DRV_MODE: number = 1 << 2;

/** BPF_F_TEST_XDP_LIVE_FRAMES: what the program transmits, redirects or passes really happens. */
export const TEST_XDP_LIVE_FRAMES: number = 1 << 1;
