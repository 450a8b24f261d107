// The seam through which a stack that shares its address asks for ports. Who answers (the kernel, by a bound socket) is not here.

/** Owner of the ports of a shared address: binding asks here first, so that the kernel keeps its hands off. */
export interface PortReservation {
  /**
   * Reserves a port, any free one for 0.
   *
   * @param protocol IP protocol number, 6 or 17
   * @returns the port, or a negative errno
   */
  reserve(protocol: number, port: number): number;
  release(protocol: number, port: number): void;
}
