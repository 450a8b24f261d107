// `npm run guest -- COMMAND`: boots the guest, runs commands of this repository in it, and exits as they do.

import { parseArgs } from 'node:util';
import { commandLine } from './command-script.ts';
import { Guest, GuestError } from './guest.ts';

const HELP = `Usage: npm run guest -- [OPTION…] COMMAND [ARGUMENT…]
       npm run guest -- [OPTION…] --run COMMAND [--run COMMAND…]

Boots a virtual machine (QEMU, software emulation) that sees this machine's files, read-only under a layer in memory, and
runs the command in the present folder. It has an NVMe controller behind an IOMMU, soft-RoCE (rxe0) and four virtio network
cards wired in pairs. Exits with the command's status; 124 after a time-out, 125 when the guest failed.

A single argument is given to the shell as it is. With --run, commands run one after the other until one fails.

  --run COMMAND      a command for the shell; may be repeated
  --timeout SECONDS  longest time for each command; default: none
  --memory MIB       the guest's memory; default 2048
  --processors N     default 2
  --verbose          say how long it takes, and what the guest's kernel said
  --help             this text`;

const GUEST_FAILED = 125;
const TIMED_OUT = 124;

const complain = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    // What follows the command's name is the command's.
    args: untilCommand(process.argv.slice(2)),
    options: {
      run: { type: 'string', multiple: true, default: [] },
      timeout: { type: 'string' },
      memory: { type: 'string' },
      processors: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const commands = positionals.length > 0 ? [...values.run, commandLine(positionals)] : values.run;
  if (values.help || commands.length === 0) {
    process.stdout.write(`${HELP}\n`);
    return values.help ? 0 : 2;
  }
  const timeoutSeconds = number(values.timeout, '--timeout');
  const timeoutMs = timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000;
  const startedMs = Date.now();
  const guest = await Guest.boot({
    memoryMiB: number(values.memory, '--memory'),
    processors: number(values.processors, '--processors'),
    say: complain,
  });
  const seconds = (): string => `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;
  if (values.verbose) complain(`guest: ready after ${seconds()}`);
  try {
    let status = 0;
    for (const command of commands) {
      status = await guest.run(command, {
        timeoutMs,
        onStdout: bytes => void process.stdout.write(bytes),
        onStderr: bytes => void process.stderr.write(bytes),
      });
      if (values.verbose) complain(`guest: status ${status} after ${seconds()}: ${command}`);
      if (status !== 0) break;
    }
    if (values.verbose) complain(guest.console);
    return status;
  } finally {
    await guest.close();
  }
}

/** Puts `--` before the first word that is not an option of ours nor an option's value. */
function untilCommand(args: string[]): string[] {
  let at = 0;
  while (at < args.length && args[at]!.startsWith('-') && args[at] !== '--') {
    at += /^--(run|timeout|memory|processors)$/.test(args[at]!) ? 2 : 1;
  }
  if (args[at] === '--') return args;
  return [...args.slice(0, at), '--', ...args.slice(at)];
}

function number(value: string | undefined, option: string): number | undefined {
  if (value === undefined) return undefined;
  const result = Number(value);
  if (!(result > 0)) throw new Error(`${option} ${value}: want a number above 0`);
  return result;
}

try {
  process.exitCode = await main();
} catch (error) {
  complain(`guest: ${(error as Error).message}`);
  if (error instanceof GuestError) complain(error.console.trimEnd());
  process.exitCode = error instanceof GuestError && error.timedOut ? TIMED_OUT : GUEST_FAILED;
}
