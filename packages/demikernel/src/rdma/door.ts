// What the library OS needs of the world: a device's queues and a connection manager. The real ones are in
// @demikernel/native/verbs; tests put a fabric behind it that delays and fails.

import type { ConnectionManager, QueuePairOptions, VerbsDevice } from '@demikernel/native/verbs';

export type DeviceDoor = Pick<
  VerbsDevice,
  | 'name'
  | 'completions'
  | 'notificationFd'
  | 'remoteKey'
  | 'regionAddress'
  | 'poll'
  | 'requestNotification'
  | 'takeNotification'
  | 'postReceive'
  | 'addPiece'
  | 'setRemote'
  | 'postSend'
  | 'close'
>;

export type ManagerDoor = Omit<Pick<ConnectionManager, keyof ConnectionManager>, 'createQueuePair'>;

/** Everything behind one seam. */
export interface RdmaDoor {
  readonly device: DeviceDoor;
  readonly manager: ManagerDoor;
  /** The queue pair of an id, or a negative errno. */
  createQueuePair(id: number, options: QueuePairOptions): number;
}
