// Where `bench -- switch` takes place: a client, a middle and a server, each in a namespace. Three ways lead from the
// client to the server: a wire, the switch in the middle, and a proxy's address in the middle.
//
//   client d0 ------------------------------------- d1 server     direct
//   client s0 -- ms0 (switch, br0 for the rest) ms1 -- s1 server  switch
//   client p0 -- mp0 (proxies) mp1 ------------------ p1 server   proxied

import { writeFileSync } from 'node:fs';
import { type CableEnd, configure, connect, Network } from '@demikernel/lab';
import {
  addAddress,
  changeLink,
  createBridge,
  getLink,
  linkIndex,
  setOffload,
} from '@demikernel/native/kernel';

export const VIRTUAL_ADDRESS = '10.91.2.100';
export const SWITCH_ADDRESS = '10.91.2.254';
export const BACKEND_ADDRESS = '10.91.2.11';
export const DIRECT_ADDRESS = '10.91.1.2';
/** Where proxies listen, and where they find the server. */
export const PROXY_ADDRESS = '10.91.3.2';
export const PROXIED_ADDRESS = '10.91.4.2';

/** The namespaces of one run. {@link close} removes them, and the interfaces with them. */
export class SwitchPlace {
  readonly client: string;
  readonly middle: string;
  readonly server: string;
  /** MAC address of the server's end of the switch's wire. */
  readonly backendMac: string;
  readonly clientMac: string;
  readonly #network: Network;

  /** @throws DemiError `ERR_DEMI_PERMISSION` */
  constructor() {
    this.#network = new Network('bench');
    try {
      this.client = this.#host('client');
      this.middle = this.#host('middle');
      this.server = this.#host('server');
      const { client, middle, server } = this;
      wire(
        { namespace: client, device: 'd0', address: '10.91.1.1/24' },
        { namespace: server, device: 'd1', address: `${DIRECT_ADDRESS}/24` },
      );
      wire(
        { namespace: client, device: 'p0', address: '10.91.3.1/24' },
        { namespace: middle, device: 'mp0', address: `${PROXY_ADDRESS}/24` },
      );
      wire(
        { namespace: middle, device: 'mp1', address: '10.91.4.1/24' },
        { namespace: server, device: 'p1', address: `${PROXIED_ADDRESS}/24` },
      );
      wire(
        { namespace: client, device: 's0', address: '10.91.2.1/24' },
        { namespace: middle, device: 'ms0' },
      );
      wire(
        { namespace: server, device: 's1', address: `${BACKEND_ADDRESS}/24` },
        { namespace: middle, device: 'ms1' },
      );
      configure(middle, netlink => {
        createBridge(netlink, { name: 'br0' });
        changeLink(netlink, 'br0', { up: true });
        addAddress(netlink, linkIndex('br0'), SWITCH_ADDRESS, 24);
        for (const name of ['ms0', 'ms1']) changeLink(netlink, name, { masterIndex: linkIndex('br0') });
      });
      // Native XDP sees checksums as the sender left them.
      this.clientMac = configure(client, netlink => {
        setOffload('s0', 'txChecksum', false);
        return getLink(netlink, 's0').macAddress;
      });
      this.backendMac = configure(server, netlink => {
        setOffload('s1', 'txChecksum', false);
        writeFileSync('/proc/sys/net/ipv4/conf/all/arp_ignore', '1');
        writeFileSync('/proc/sys/net/ipv4/conf/all/arp_announce', '2');
        addAddress(netlink, linkIndex('lo'), VIRTUAL_ADDRESS, 32);
        return getLink(netlink, 's1').macAddress;
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #host(name: string): string {
    const namespace = this.#network.host(name);
    // Router solicitations and multicast joins would arrive in the middle of a measurement.
    configure(namespace, () => writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1'));
    return namespace;
  }

  /** Idempotent. */
  close(): void {
    this.#network.remove();
  }
}

/** A veth pair with GRO at both ends: what redirects frames into an end needs that. */
function wire(end: CableEnd, peer: CableEnd): void {
  connect(end, peer);
  for (const { namespace, device } of [end, peer])
    configure(namespace, () => setOffload(device, 'genericReceive', true));
}
