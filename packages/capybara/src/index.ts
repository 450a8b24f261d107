// The public entry of the load balancer: switch, migration protocol, policies.

export * from './switch/index.ts';
