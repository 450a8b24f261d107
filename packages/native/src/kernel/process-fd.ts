// A process as a descriptor: pidfd_open(2). Readable once the process has ended, safe against reuse of the pid.

import { SYS_PIDFD_GETFD, SYS_PIDFD_OPEN, SYS_PIDFD_SEND_SIGNAL, syscall } from './system-call.ts';

/** A close-on-exec descriptor for process `pid`, or a negative errno (ESRCH). */
export function openProcess(pid: number): number {
  return syscall(SYS_PIDFD_OPEN, pid);
}

/** Sends a signal (0 only asks) to the process behind `pidFd`. 0 or a negative errno: ESRCH when it has ended. */
export function signalProcess(pidFd: number, signal: number): number {
  return syscall(SYS_PIDFD_SEND_SIGNAL, pidFd, signal);
}

/** A copy of descriptor `fd` of that process, pidfd_getfd(2): wants the rights of ptrace. Or a negative errno. */
export function copyDescriptorOf(pidFd: number, fd: number): number {
  return syscall(SYS_PIDFD_GETFD, pidFd, fd);
}
