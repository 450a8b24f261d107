// Numbers and layouts of include/uapi/linux/vfio.h and pci_regs.h, for x86-64.

// _IO(VFIO_TYPE = ';', VFIO_BASE = 100 + n)
export const VFIO_GET_API_VERSION = 0x3b64;
export const VFIO_CHECK_EXTENSION = 0x3b65;
export const VFIO_SET_IOMMU = 0x3b66;
export const VFIO_GROUP_GET_STATUS = 0x3b67;
export const VFIO_GROUP_SET_CONTAINER = 0x3b68;
export const VFIO_GROUP_GET_DEVICE_FD = 0x3b6a;
export const VFIO_DEVICE_GET_INFO = 0x3b6b;
export const VFIO_DEVICE_GET_REGION_INFO = 0x3b6c;
export const VFIO_DEVICE_RESET = 0x3b6f;
export const VFIO_IOMMU_MAP_DMA = 0x3b71;
export const VFIO_IOMMU_UNMAP_DMA = 0x3b72;

export const VFIO_API_VERSION = 0;
export const VFIO_TYPE1V2_IOMMU = 3;
export const VFIO_GROUP_FLAGS_VIABLE = 1;
/** The device can be reset by VFIO_DEVICE_RESET. */
export const VFIO_DEVICE_FLAGS_RESET = 1;
export const VFIO_REGION_INFO_FLAG_MMAP = 4;
export const VFIO_DMA_MAP_FLAG_READ = 1;
export const VFIO_DMA_MAP_FLAG_WRITE = 2;

/** Regions 0 to 5 are the BARs. */
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;

// Offsets in configuration space.
export const PCI_COMMAND = 4;
export const PCI_COMMAND_MEMORY = 0x2;
export const PCI_COMMAND_MASTER = 0x4;
export const PCI_COMMAND_INTX_DISABLE = 0x400;
