// The floor for datagrams: an XDP program that sends them back from within the driver. This process only holds it.

import { passAll, reflectUdp, XdpLink } from '@demikernel/ebpf';
import { linkIndex, runInNamespace } from '@demikernel/native/kernel';
import { announceReady, exitOnRequest } from './ready.ts';

const [interfaceName = '', port = '7', clientNamespace = '', clientInterface = ''] = process.argv.slice(2);

exitOnRequest();
const links = [attach(reflectUdp(Number(port)), interfaceName)];
// veth takes what its peer's program sends back only when it has a program itself (veth_xdp_flush in the kernel's
// drivers/net/veth.c); GRO, enough for redirects, is not enough here.
links.push(runInNamespace(clientNamespace, () => attach(passAll(), clientInterface)));

function attach(program: ReturnType<typeof passAll>, name: string): XdpLink {
  return new XdpLink({ program, ifindex: linkIndex(name), mode: 'native' });
}

// Nothing else runs here: the timer only keeps the process alive, and the links with it.
setInterval(() => links.length, 60_000);
announceReady();
