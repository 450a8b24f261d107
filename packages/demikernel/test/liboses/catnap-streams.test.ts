// Catnap: streams, by the tests of every library OS over kernel sockets.

import { socketStage } from './socket-stage.ts';
import { streams } from './socket-streams.ts';

streams(socketStage('catnap'));
