// The peer: a UDP echo on node:dgram as one would write it. With `spin`, Node's event loop never sleeps.

import { createSocket } from 'node:dgram';
import { announceReady, exitOnRequest } from './ready.ts';

const [port = '7', wait = 'interrupt'] = process.argv.slice(2);

exitOnRequest();
const socket = createSocket('udp4');
socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
socket.bind(Number(port), '0.0.0.0', announceReady);

function spin(): void {
  setImmediate(spin);
}
if (wait === 'spin') spin();
