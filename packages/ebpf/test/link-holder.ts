// Run by the link test inside a network namespace: attaches, says what it sees, detaches when told, one line each.

import { createInterface } from 'node:readline';
import { queryXdp } from '../src/attachment.ts';
import { XdpLink } from '../src/link.ts';
import { passAll } from '../src/programs/pass-all.ts';
import { reflectUdp } from '../src/programs/reflect-udp.ts';

const ifindex = Number(process.argv[2]);
const mode = process.argv[3] as 'native' | 'generic' | 'best';
let link: XdpLink | undefined;

function answer(command: string): unknown {
  switch (command) {
    case 'attach': {
      const program = passAll();
      link = new XdpLink({ program, ifindex, mode });
      program.close();
      return { mode: link.mode, info: link.info() };
    }
    case 'replace': {
      const program = reflectUdp(7);
      link!.replace(program);
      program.close();
      return {};
    }
    case 'query':
      return queryXdp(ifindex);
    case 'info':
      return link!.info();
    case 'close':
      link!.close();
      link!.close();
      return {};
    default:
      return { unknown: command };
  }
}

for await (const command of createInterface({ input: process.stdin })) {
  try {
    process.stdout.write(`${JSON.stringify(answer(command))}\n`);
  } catch (error) {
    const { code, errnoName, message } = error as { code?: string; errnoName?: string; message: string };
    process.stdout.write(`${JSON.stringify({ code, errnoName, message })}\n`);
  }
}
