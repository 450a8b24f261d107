// The laboratory: what tests and benchmarks need around them. Not published.

export { ALLOCATION_FLAGS, bytesPerOperation, collectGarbage } from './allocation.ts';
export { type CableEnd, configure, connect, Network, networkRefusal, spawnNode } from './network.ts';
export {
  FULL_RUN_VARIABLE,
  findProgram,
  isFullRun,
  PEERS,
  type Peer,
  peerRefusal,
  requirePeer,
} from './peers.ts';
export { removeStaleNamespaces } from './stale-namespaces.ts';
export { filesUnder, packageFolders, type TestFile, WORKSPACE_ROOT } from './test-files.ts';
