// A child process: the kernel's end of a bulk transfer, over node:net.
//
//   node bulk-peer.js PLAN        says `up`, then a BulkReport in JSON

import net from 'node:net';
import type { BulkPlan, BulkReport } from './bulk-plan.ts';
import { StreamChecker, StreamPattern } from './stream-pattern.ts';

const plan: BulkPlan = JSON.parse(process.argv[2]!);
const [host, port] = plan.address.split(':') as [string, string];
const sendPattern = new StreamPattern(plan.sendSeed);
const receivePattern = new StreamPattern(plan.receiveSeed);
const report: BulkReport = { sent: 0, received: 0, trouble: '', seconds: 0, cpuSeconds: 0 };
let startedMs = 0;
let startCpu = process.cpuUsage();
let left = plan.connections;

function serve(socket: net.Socket): void {
  if (startedMs === 0) {
    startedMs = performance.now();
    startCpu = process.cpuUsage();
  }
  const checker = new StreamChecker(receivePattern);
  let sent = 0;
  const more = (): void => {
    while (sent < plan.sendBytes) {
      const piece = sendPattern.at(sent, Math.min(plan.pieceBytes, plan.sendBytes - sent));
      sent += piece.length;
      if (!socket.write(piece)) return;
    }
    if (!socket.writableEnded) socket.end();
  };
  socket.on('drain', more);
  let pauseMs = plan.pauseMs ?? 0;
  socket.on('data', chunk => {
    checker.take(chunk);
    if (pauseMs === 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), pauseMs);
    pauseMs = 0;
  });
  socket.on('error', error => {
    report.trouble ||= error.message;
  });
  socket.on('close', () => {
    report.sent += sent;
    report.received += checker.received;
    if (checker.wrongAt >= 0) report.trouble ||= `wrong byte at ${checker.wrongAt}`;
    else if (checker.received !== plan.receiveBytes)
      report.trouble ||= `${checker.received} bytes came, not ${plan.receiveBytes}`;
    if (--left === 0) finish();
  });
  more();
}

let server: net.Server | undefined;

function finish(): void {
  const { user, system } = process.cpuUsage(startCpu);
  report.seconds = (performance.now() - startedMs) / 1000;
  report.cpuSeconds = (user + system) / 1e6;
  server?.close();
  console.log(JSON.stringify(report));
}

if (plan.role === 'listen') {
  server = net.createServer({ allowHalfOpen: true, noDelay: true }, serve);
  server.listen(Number(port), host, () => console.log('up'));
} else {
  console.log('up');
  for (let i = 0; i < plan.connections; i++) {
    const socket = net.connect({ port: Number(port), host, allowHalfOpen: true, noDelay: true }, () =>
      serve(socket),
    );
    socket.on('error', error => {
      report.trouble ||= error.message;
      if (socket.connecting || socket.bytesRead + socket.bytesWritten === 0) finish();
    });
  }
}
