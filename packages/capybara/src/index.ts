// The public entry of the load balancer: switch, migration protocol, policies.

export { LoadMeter, type MeasuredFlow } from './control/loads.ts';
export * from './switch/index.ts';
