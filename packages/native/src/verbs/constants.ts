// Numbers of libibverbs and librdmacm (rdma-core's verbs.h and rdma_cma.h), x86-64.

export const IBV_ACCESS_LOCAL_WRITE = 1;
export const IBV_ACCESS_REMOTE_WRITE = 2;
export const IBV_ACCESS_REMOTE_READ = 4;

export const IBV_QPT_RC = 2;
export const IBV_QPT_UD = 4;

// enum ibv_wr_opcode
export const IBV_WR_SEND = 2;
export const IBV_WR_SEND_WITH_IMM = 3;
export const IBV_WR_RDMA_READ = 4;

// enum ibv_send_flags
export const IBV_SEND_SIGNALED = 2;
export const IBV_SEND_INLINE = 8;

// enum ibv_wc_opcode
export const IBV_WC_RDMA_READ = 2;
export const IBV_WC_RECV = 128;

// enum ibv_wc_status
export const IBV_WC_SUCCESS = 0;
export const IBV_WC_WR_FLUSH_ERR = 5;
export const IBV_WC_REM_ACCESS_ERR = 10;
export const IBV_WC_RETRY_EXC_ERR = 12;
export const IBV_WC_RNR_RETRY_EXC_ERR = 13;
/** The completion carries immediate data (enum ibv_wc_flags). */
export const IBV_WC_WITH_IMM = 2;

export const RDMA_PS_TCP = 0x106;

// enum rdma_cm_event_type
export const RDMA_CM_EVENT_ADDR_RESOLVED = 0;
export const RDMA_CM_EVENT_ADDR_ERROR = 1;
export const RDMA_CM_EVENT_ROUTE_RESOLVED = 2;
export const RDMA_CM_EVENT_ROUTE_ERROR = 3;
export const RDMA_CM_EVENT_CONNECT_REQUEST = 4;
export const RDMA_CM_EVENT_CONNECT_ERROR = 6;
export const RDMA_CM_EVENT_UNREACHABLE = 7;
export const RDMA_CM_EVENT_REJECTED = 8;
export const RDMA_CM_EVENT_ESTABLISHED = 9;
export const RDMA_CM_EVENT_DISCONNECTED = 10;
export const RDMA_CM_EVENT_DEVICE_REMOVAL = 11;
