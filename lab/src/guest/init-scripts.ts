// The two shell scripts that are the guest's user space: one finds the host's files, the other obeys the host. They run
// in busybox, which is on every machine the same. What the host does with their answers lives in guest.ts.

/** Names of the virtio-serial ports between host and guest. */
export const PORTS: readonly string[] = ['control', 'stdout', 'stderr'];
/** The tag of the host's root file system. */
export const ROOT_TAG = 'hostroot';
/** A folder of the guest's own, in memory. */
export const GUEST_FOLDER = '/run/demikernel-guest';
/** What the guest says on its control port first, and once it can run commands; each with the seconds it has been up. */
export const HELLO = 'hello';
export const READY = 'ready';

/** Modules that the initial file system needs itself. */
export const BOOT_MODULES: readonly string[] = [
  'virtio_pci',
  'virtio_console',
  '9pnet_virtio',
  '9p',
  'overlay',
];
/** Modules for the devices that tests look for. */
const DEVICE_MODULES = ['virtio_net', 'nvme', 'rdma_rxe', 'rdma_ucm', 'vfio_iommu_type1', 'vfio-pci'];

/**
 * `/init` of the initial file system: mounts the host's root read-only, a memory file system over it, and goes there.
 * Every other mount of the guest is its own, so nothing it does reaches the host.
 *
 * @param modules file names in `/modules`, in the order of loading
 */
export function initialScript(modules: readonly string[]): string {
  return `#!/bin/busybox sh
set -e
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in ${modules.join(' ')}; do insmod /modules/$module; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any ${ROOT_TAG} /host
mount -t tmpfs -o mode=755 rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work overlay /root
mount --move /dev /root/dev
mount --move /proc /root/proc
mount -t sysfs sys /root/sys
mount -t tmpfs -o mode=755 run /root/run
mkdir /root${GUEST_FOLDER} /root${GUEST_FOLDER}/bin
cp /bin/busybox /root${GUEST_FOLDER}/bin/busybox
cp /obey /root${GUEST_FOLDER}/obey
exec switch_root /root ${GUEST_FOLDER}/bin/busybox sh ${GUEST_FOLDER}/obey
`;
}

/**
 * The guest's first process: sets up devices, then runs what comes as lines of base64 over the control port. At the end
 * of each command it kills what the command left, and ends both output streams with a mark and the exit status.
 *
 * @param mark a word that no output contains
 * @param modules the host's path of the modules' folder
 */
export function obeyScript(mark: string, modules: string, release: string): string {
  return `
B=${GUEST_FOLDER}/bin
busybox() { $B/busybox "$@"; }
port() { for p in /sys/class/virtio-ports/*; do read -r name <$p/name; if [ "$name" = "$1" ]; then echo /dev/\${p##*/}; fi; done; }
exec 3<>$(port control)
say() { read -r up rest </proc/uptime; echo "$1 $up" >&3; }
say ${HELLO}
# The host's own may be missing, or want indices that depmod of busybox does not write.
for applet in insmod lsmod modprobe rmmod; do busybox ln -s busybox $B/$applet; done
# What the host has mounted below these is not the guest's.
busybox mkdir -p /dev/pts /dev/shm /lib/modules
busybox mount -t devpts devpts /dev/pts
busybox mount -t tmpfs shm /dev/shm
busybox mount -t cgroup2 cgroup /sys/fs/cgroup
busybox mount -t bpf bpf /sys/fs/bpf
busybox mount -t debugfs debugfs /sys/kernel/debug
busybox ln -s /proc/self/fd /dev/fd
if [ ! -e /lib/modules/${release} ]; then busybox ln -s '${modules}' /lib/modules/${release}; fi
echo $B/modprobe >/proc/sys/kernel/modprobe
echo demikernel-guest >/proc/sys/kernel/hostname
for module in ${DEVICE_MODULES.join(' ')}; do busybox modprobe $module || echo "guest: no module $module"; done
busybox ip link set lo up
busybox ip addr add 10.213.0.1/24 dev eth0
busybox ip addr add 10.213.0.2/24 dev eth1
for nic in eth0 eth1 eth2 eth3; do busybox ip link set $nic up; done
rdma link add rxe0 type rxe netdev eth0 || echo 'guest: no rxe0'
OUT=$(port stdout)
ERR=$(port stderr)
say ${READY}
while read -r line <&3; do
  echo "$line" | busybox base64 -d >${GUEST_FOLDER}/command
  busybox setsid /bin/sh ${GUEST_FOLDER}/command </dev/null >$OUT 2>$ERR 3>&-
  status=$?
  kill -9 -1
  wait
  # Ports open for one at a time: a killed process may still be letting go.
  for stream in $OUT $ERR; do
    until printf '%s %s\\n' '${mark}' $status 2>/dev/null >$stream; do :; done
  done
done
echo o >/proc/sysrq-trigger
while :; do :; done
`;
}
