// The controller's web page: one document without a dependency, and the policy that it is served under. Its style and its script
// are beside this file.

import { createHash } from 'node:crypto';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';

export const PAGE: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Capybara</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
<body>
<header><h1>Capybara</h1><span id="state" role="status">…</span></header>
<p id="stuck"></p>
<main>
<h2>Backends</h2>
<div class="wide"><table>
  <thead><tr><th>backend<th>state<th>weight<th>connections<th>packets/s<th>delay µs<th>silent ms</tr></thead>
  <tbody id="backends"></tbody>
</table></div>
<h2>Load <small>packets from clients per second, by backend, the last minute</small></h2>
<svg id="load" role="img" aria-label="load per backend"></svg>
<h2>Migrations <small>the last ten seconds, each from its order to its end; its head has the colour of the backend it leaves</small></h2>
<svg id="timeline" role="img" aria-label="migrations"></svg>
<div class="wide"><table>
  <thead><tr><th>client<th>from<th>to<th>why<th>outcome<th>ms</tr></thead>
  <tbody id="migrations"></tbody>
</table></div>
</main>
<script>${PAGE_SCRIPT}</script>
</html>
`;

/**
 * Content Security Policy (level 3) of the page: its own script and style, by their hashes, and the controller to ask. Nothing from
 * elsewhere, no markup that brings code with it, no frame around it.
 */
export const PAGE_POLICY: string = [
  "default-src 'none'",
  `script-src ${hashOf(PAGE_SCRIPT)}`,
  `style-src ${hashOf(PAGE_STYLE)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
