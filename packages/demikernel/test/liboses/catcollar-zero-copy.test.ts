// Catcollar when everything leaves without the kernel's copy: the tests of every library OS over kernel sockets once more.

import { datagrams } from './socket-datagrams.ts';
import { socketStage } from './socket-stage.ts';
import { streams } from './socket-streams.ts';

const stage = socketStage('catcollar', { zeroCopyBytes: 1 });
streams(stage);
datagrams(stage);
