// A process of live.test.ts: a switch on one interface, until it is killed.

import { Switch } from '../../src/switch/switch.ts';

new Switch({
  ports: [{ interface: process.argv[2]!, role: 'both' }],
  headerKey: new Uint8Array(16),
  hashKey: new Uint8Array(16),
  address: '10.88.0.254',
});
process.stdout.write('attached\n');
setInterval(() => {}, 1000);
