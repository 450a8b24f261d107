// A child process of the tests: a UDP and TCP echo on Catpowder, which says `up` and serves until it is killed.
//
//   node catpowder-service.js NAMESPACE INTERFACE ADDRESS|- [UID]

import { DemiError } from '@demikernel/memory';
import { libc } from '@demikernel/native/kernel';
import { createCatpowder } from '../../src/liboses/catpowder/catpowder.ts';
import { formatIpv4 } from '../../src/runtime/socket-address.ts';
import { Driver, newRuntime } from './catpowder-driver.ts';

const [namespace = '', device = '', address = '-', uid] = process.argv.slice(2);
try {
  if (uid !== undefined) {
    // Native code is loaded while the folder it lies in can still be read.
    libc();
    process.setuid!(Number(uid));
  }
  const libos = createCatpowder(newRuntime(), {
    interface: device,
    address: address === '-' ? undefined : address,
    namespace: namespace === '-' ? undefined : namespace,
  });
  const driver = new Driver(libos);
  const own = formatIpv4(libos.address);
  void driver.echoDatagrams(driver.open('datagram', `${own}:7000`));
  const listener = driver.open('stream', `${own}:7000`);
  listener.listen(64);
  void driver.echoStreams(listener);
  console.log(`up ${libos.device.name} ${libos.attachment.redirect === undefined ? 'af-packet' : 'af-xdp'}`);
} catch (error) {
  console.log(error instanceof DemiError ? `${error.code} ${error.message}` : String(error));
  process.exit(1);
}
