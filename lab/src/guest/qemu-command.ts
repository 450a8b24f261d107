// The machine as a QEMU command line: processors, memory, the emulated IOMMU and the devices behind it.

import { existsSync } from 'node:fs';
import { findProgram } from '../peers.ts';
import { PORTS, ROOT_TAG } from './init-scripts.ts';

/** What a machine is made of. Paths and descriptors are those of the QEMU process. */
export interface MachineOptions {
  kernelImage: string;
  initialFileSystem: string;
  /** How fast the host's time stamp counter runs, which is the emulated processor's; see host-counter.ts. */
  counterKHz: number;
  memoryMiB: number;
  processors: number;
  /** Disk images behind the namespaces of the NVMe controller, first to last. */
  disks: readonly DiskOptions[];
  /** Descriptors of connected sockets, one for each of {@link PORTS}. */
  portFds: readonly number[];
}

/** A namespace of the NVMe controller. */
export interface DiskOptions {
  path: string;
  /** 512 or 4096. */
  blockBytes: number;
}

/** The firmware that boots fastest; Debian's seabios package has the other. */
const QBOOT = '/usr/share/qemu/qboot.rom';

const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'quiet',
  'intel_iommu=on',
  'clocksource=tsc',
  'tsc=reliable',
  'lpj=1000000',
  // A starved emulator delivers no timer interrupt in the moment in which the kernel wants to see some.
  'no_timer_check',
  'mitigations=off',
  'nokaslr',
  // A kernel in trouble ends the machine, which the host sees.
  'panic=-1',
  'oops=panic',
];

/** `qemu-system-x86_64`, or an error that says where to get it. */
export function findQemu(): string {
  const path = findProgram('qemu-system-x86_64');
  if (path !== undefined) return path;
  throw new Error(
    'The guest runs in QEMU, which is not here: apt-get install qemu-system-x86 busybox-static (as root)',
  );
}

/**
 * Arguments for `qemu-system-x86_64`.
 *
 * Two pairs of network cards are wired together inside QEMU: eth0 with eth1, eth2 with eth3. Nothing leads out.
 */
export function machineArguments(options: MachineOptions): string[] {
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
  args.push('-M', 'q35,kernel-irqchip=split', '-cpu', 'max', '-accel', 'tcg,thread=multi');
  args.push('-m', `${options.memoryMiB}M`, '-smp', `${options.processors}`);
  if (existsSync(QBOOT)) args.push('-bios', QBOOT);
  args.push('-kernel', options.kernelImage, '-initrd', options.initialFileSystem);
  const kernelArguments = [...KERNEL_ARGUMENTS, `tsc_early_khz=${options.counterKHz}`];
  args.push('-append', kernelArguments.join(' '), '-serial', 'stdio');
  args.push('-device', 'intel-iommu,intremap=on');
  args.push('-fsdev', 'local,id=root,path=/,security_model=none,readonly=on,multidevs=remap');
  args.push('-device', `virtio-9p-pci,fsdev=root,mount_tag=${ROOT_TAG}`);
  args.push('-device', 'virtio-serial-pci');
  PORTS.forEach((name, index) => {
    args.push('-chardev', `socket,id=${name},fd=${options.portFds[index]}`);
    args.push('-device', `virtserialport,chardev=${name},name=${name}`);
  });
  // What a user-space driver may take over stands behind the IOMMU.
  for (let index = 0; index < 4; index++) {
    args.push('-netdev', `hubport,id=net${index},hubid=${index >> 1}`);
    const address = `mac=52:54:00:d0:00:0${index}`;
    args.push('-device', `virtio-net-pci,netdev=net${index},${address},romfile=,${BEHIND_IOMMU}`);
  }
  args.push('-device', 'nvme,id=nvme0,serial=demikernel-0');
  options.disks.forEach(({ path, blockBytes }, index) => {
    // The images end with the machine: what the guest flushes need not reach the host's disk.
    const image = `format=raw,cache=unsafe,discard=unmap,file.locking=off,file=${path}`;
    args.push('-drive', `if=none,id=disk${index},${image}`);
    const blocks = `logical_block_size=${blockBytes},physical_block_size=${blockBytes}`;
    args.push('-device', `nvme-ns,drive=disk${index},bus=nvme0,nsid=${index + 1},${blocks}`);
  });
  return args;
}

const BEHIND_IOMMU = 'iommu_platform=on,disable-legacy=on';
