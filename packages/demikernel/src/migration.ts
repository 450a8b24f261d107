// The entry `demikernel/migration`: a TCP connection leaves one stack and arrives at another. How hosts agree on it is
// not here. Importing loads no native code.

export { SipHash } from './inetstack/tcp/siphash.ts';
