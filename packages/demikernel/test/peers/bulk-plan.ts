// What two ends of a bulk transfer agree on, and what each reports. The ends are bulk-service.ts (our stack) and
// bulk-peer.ts (the kernel's).

/** A transfer as one end sees it; written as JSON into the program's first argument. */
export interface BulkPlan {
  role: 'listen' | 'connect';
  /** `10.0.0.1:7000`: to listen on or to connect to. */
  address: string;
  connections: number;
  /** Per connection. */
  sendBytes: number;
  receiveBytes: number;
  sendSeed: number;
  receiveSeed: number;
  /** Bytes of one write. */
  pieceBytes: number;
  /** This end stops reading for so long, once it has read something; and the other end. */
  pauseMs?: number;
  peerPauseMs?: number;
}

/** One end's account, when every connection is over. */
export interface BulkReport {
  sent: number;
  received: number;
  /** What went wrong; empty when every byte came and was right. */
  trouble: string;
  /** From the first connection to the end of the last. */
  seconds: number;
  /** Processor time of the process meanwhile, user and system. */
  cpuSeconds: number;
  /** Counters of our stack. */
  counters?: Record<string, Record<string, number>>;
  /** Slots in use when everything was closed; 0 is right. */
  slotsHeld?: number;
}

/** The same transfer from the other end. */
export function opposite(plan: BulkPlan, address: string = plan.address): BulkPlan {
  return {
    ...plan,
    address,
    role: plan.role === 'listen' ? 'connect' : 'listen',
    sendBytes: plan.receiveBytes,
    receiveBytes: plan.sendBytes,
    sendSeed: plan.receiveSeed,
    receiveSeed: plan.sendSeed,
    pauseMs: plan.peerPauseMs,
    peerPauseMs: plan.pauseMs,
  };
}
