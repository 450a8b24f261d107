// The service under load, a process of its own: the key-value store of apps/kv in one protocol. Its setting comes as an argument.

import { loadCodec, ObjectServer } from '@demikernel/apps/kv-objects';
import { announceReady } from '../../servers/ready.ts';
import { SerializeFirst } from './serialize-first.ts';
import { type LoadSetting, openEnd, thresholdOf } from './setting.ts';

const setting = JSON.parse(process.argv[2] ?? '') as LoadSetting;
const { protocol, service } = setting;
const loaded = await loadCodec(protocol.protocol, { copyThresholdBytes: thresholdOf(protocol) });
const codec = protocol.separately === true ? new SerializeFirst(loaded) : loaded;
const os = await openEnd(setting);
try {
  const server = new ObjectServer(os, { address: service, codec, slotShare: setting.valueShare });
  announceReady();
  server.serve();
} finally {
  os.shutDown();
}
