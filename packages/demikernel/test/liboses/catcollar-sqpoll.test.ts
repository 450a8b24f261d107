// Catcollar when a kernel thread submits: streams once more. Not datagrams: closing takes its time there, and one test
// expects a closed port to refuse at once.

import { socketStage } from './socket-stage.ts';
import { streams } from './socket-streams.ts';

streams(socketStage('catcollar', { sqPollIdleMs: 20 }));
