// Where DPDK 22.11 (ABI 23) keeps what we read and write in its structures, on x86-64 as Debian builds it. Nothing here is trusted
// blindly: memory.ts has the library write and reads it back before the first packet.

/** The version that these offsets are of, as `rte_version` says it, without the patch level. */
export const DPDK_VERSION = 'DPDK 22.11';
/** Ending of the libraries' names: their ABI. */
export const DPDK_ABI = '23';

// struct rte_mempool_objhdr: in front of every object of a pool (lib/mempool/rte_mempool.h), padded to a cache line.
export const OBJECT_HEADER_BYTES = 64;

// struct rte_mbuf (lib/mbuf/rte_mbuf_core.h): two cache lines, then the data.
export const MBUF_BYTES = 128;
export const MBUF_ADDRESS = 0;
export const MBUF_IO_ADDRESS = 8;
/** u16 data_off in the low half, u16 refcnt in the high one. */
export const MBUF_DATA_OFFSET_AND_REFERENCES = 16;
/** u16 nb_segs in the low half, u16 port in the high one. */
export const MBUF_SEGMENTS_AND_PORT = 20;
/** u64 ol_flags. */
export const MBUF_FLAGS = 24;
export const MBUF_PACKET_TYPE = 32;
export const MBUF_PACKET_LENGTH = 36;
/** u16 data_len in the low half, u16 vlan_tci in the high one. */
export const MBUF_DATA_LENGTH = 40;
/** u16 */
export const MBUF_BUFFER_LENGTH = 54;
export const MBUF_POOL = 56;
export const MBUF_NEXT = 64;
/** u64: l2_len in 7 bits, l3_len in 9, l4_len in 8. */
export const MBUF_TRANSMIT_OFFLOAD = 72;
export const MBUF_PORT_NONE = 0xffff;
/** RTE_PKTMBUF_HEADROOM: where a driver puts a received frame, behind the mbuf. */
export const MBUF_HEADROOM_BYTES = 128;

// Low word of ol_flags on receive: RTE_MBUF_F_RX_L4_CKSUM_*.
export const RX_L4_CHECKSUM_MASK = 0x108;
export const RX_L4_CHECKSUM_GOOD = 0x100;
/** Not filled in, and the data known to be right: a sender on the same machine. */
export const RX_L4_CHECKSUM_NONE = 0x108;

// High word of ol_flags on transmit: RTE_MBUF_F_TX_TCP_CKSUM, _UDP_CKSUM, _IPV4.
export const TX_TCP_CHECKSUM_HIGH = 0x10_0000;
export const TX_UDP_CHECKSUM_HIGH = 0x30_0000;
export const TX_IPV4_HIGH = 0x80_0000;

// struct rte_mempool
export const POOL_ELEMENT_BYTES = 72;
export const POOL_HEADER_BYTES = 76;
export const POOL_TRAILER_BYTES = 80;
export const POOL_OPERATIONS = 88;
export const POOL_POPULATED = 104;
export const POOL_STRUCTURE_BYTES = 192;
/** RTE_MEMPOOL_F_NO_SPREAD, _NO_IOVA_CONTIG: no padding between objects, none at the end of a page. */
export const POOL_PACKED: number = 0x1 | 0x20;

// struct rte_mempool_ops_table, and struct rte_mempool_ops in it, which begins with its name.
export const POOL_OPERATIONS_START = 64;
export const POOL_OPERATIONS_BYTES = 128;
export const POOL_DEQUEUE = 56;

// struct rte_eth_fp_ops, one per port (lib/ethdev/rte_ethdev_core.h)
export const FAST_PATH_BYTES = 128;
export const FAST_PATH_RECEIVE = 0;
export const FAST_PATH_RECEIVE_QUEUES = 24;
export const FAST_PATH_TRANSMIT = 64;
export const FAST_PATH_TRANSMIT_QUEUES = 88;

// struct rte_eth_conf (lib/ethdev/rte_ethdev.h)
export const CONFIGURATION_BYTES = 2272;
export const CONFIGURATION_RECEIVE_MODE = 8;
export const CONFIGURATION_MTU = 12;
export const CONFIGURATION_RECEIVE_OFFLOADS = 24;
export const CONFIGURATION_TRANSMIT_OFFLOADS = 72;
export const CONFIGURATION_HASH_FUNCTIONS = 144;
/** RTE_ETH_MQ_RX_RSS */
export const RECEIVE_MODE_HASH = 1;

// struct rte_eth_dev_info
export const INFORMATION_BYTES = 376;
export const INFORMATION_DEVICE = 0;
export const INFORMATION_DRIVER_NAME = 8;
export const INFORMATION_INTERFACE = 16;
export const INFORMATION_MAX_MTU = 22;
export const INFORMATION_RECEIVE_QUEUES = 44;
export const INFORMATION_TRANSMIT_QUEUES = 46;
export const INFORMATION_RECEIVE_OFFLOADS = 72;
export const INFORMATION_TRANSMIT_OFFLOADS = 80;
export const INFORMATION_HASH_FUNCTIONS = 112;
/** struct rte_eth_desc_lim: u16 nb_max, nb_min, nb_align, nb_seg_max, nb_mtu_seg_max */
export const INFORMATION_RECEIVE_LIMITS = 262;
export const INFORMATION_TRANSMIT_LIMITS = 272;

// RTE_ETH_RX_OFFLOAD_*, RTE_ETH_TX_OFFLOAD_*: the low word has all that we use.
export const OFFLOAD_IPV4_CHECKSUM = 0x2;
export const OFFLOAD_UDP_CHECKSUM = 0x4;
export const OFFLOAD_TCP_CHECKSUM = 0x8;
export const OFFLOAD_SEGMENTS = 0x8000;
/** RTE_ETH_RSS_IPV4, _NONFRAG_IPV4_TCP, _NONFRAG_IPV4_UDP */
export const HASH_FUNCTIONS: number = 0x4 | 0x10 | 0x20;

// struct rte_eth_stats, counted in u64
export const STATISTICS_BYTES = 704;
export const STATISTICS_RECEIVE_MISSED = 4;
export const STATISTICS_RECEIVE_ERRORS = 5;
export const STATISTICS_TRANSMIT_ERRORS = 6;
export const STATISTICS_RECEIVE_NO_BUFFER = 7;
