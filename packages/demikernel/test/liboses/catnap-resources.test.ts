// Catnap: resources, by the tests of every library OS over kernel sockets.

import { resources } from './socket-resources.ts';
import { socketStage } from './socket-stage.ts';

resources(socketStage('catnap'));
