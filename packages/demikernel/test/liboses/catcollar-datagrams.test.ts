// Catcollar: datagrams, by the tests of every library OS over kernel sockets.

import { datagrams } from './socket-datagrams.ts';
import { socketStage } from './socket-stage.ts';

datagrams(socketStage('catcollar'));
