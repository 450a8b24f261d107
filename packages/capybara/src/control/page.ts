// The controller's web page: one file, no dependency, drawn by the browser from `/status.json`.

/** Colours of backends, in their order; they repeat. */
const COLOURS = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#bbbbbb', '#222255'];

export const PAGE: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Capybara</title>
<meta name="viewport" content="width=device-width">
<style>
  body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; }
  h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin: 1.5rem 0 .3rem }
  svg { width: 100%; height: 12rem; background: #f7f7f7; border: 1px solid #ddd }
  #timeline { height: 14rem }
  table { border-collapse: collapse; width: 100% }
  th, td { text-align: right; padding: .15rem .6rem; border-bottom: 1px solid #eee; font-variant-numeric: tabular-nums }
  th:first-child, td:first-child { text-align: left }
  .down { color: #b00 } .draining { color: #a60 }
  #state { color: #777 }
  .swatch { display: inline-block; width: .7em; height: .7em; margin-right: .4em }
</style>
<h1>Capybara <span id="state">…</span></h1>
<h2>Backends</h2>
<table>
  <thead><tr><th>backend<th>state<th>weight<th>connections<th>packets/s<th>delay µs<th>silent ms</tr></thead>
  <tbody id="backends"></tbody>
</table>
<h2>Load per backend, packets from clients per second, the last minute</h2>
<svg id="load" viewBox="0 0 600 120" preserveAspectRatio="none" role="img" aria-label="load per backend"></svg>
<h2>Migrations, the last ten seconds: from its order to its new owner, in the colour of the target</h2>
<svg id="timeline" viewBox="0 0 600 140" preserveAspectRatio="none" role="img" aria-label="migrations"></svg>
<table>
  <thead><tr><th>client<th>from<th>to<th>why<th>outcome<th>ms</tr></thead>
  <tbody id="migrations"></tbody>
</table>
<script>
  const COLOURS = ${JSON.stringify(COLOURS)};
  const colour = id => COLOURS[id % COLOURS.length];
  const byId = id => document.getElementById(id);
  const history = [];
  const HISTORY = 120, WINDOW_MS = 10000, WIDTH = 600;

  function row(cells, className) {
    const tr = document.createElement('tr');
    for (const cell of cells) {
      const td = document.createElement('td');
      td.append(cell);
      tr.append(td);
    }
    if (className) tr.className = className;
    return tr;
  }

  function shape(name, attributes) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function drawBackends(status) {
    byId('backends').replaceChildren(...status.backends.map(b => {
      const name = document.createElement('span');
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = colour(b.id);
      name.append(swatch, String(b.id));
      return row([name, b.state, String(b.weight), String(b.connections), b.load.toFixed(0),
        String(b.delayUs), b.silentMs.toFixed(0)], b.state);
    }));
  }

  function drawLoad(status) {
    history.push(new Map(status.backends.map(b => [b.id, b.load])));
    if (history.length > HISTORY) history.shift();
    const top = Math.max(1, ...history.flatMap(each => [...each.values()]));
    byId('load').replaceChildren(...status.backends.map(({ id }) => {
      const points = history.map((each, i) =>
        (i * WIDTH / (HISTORY - 1)).toFixed(1) + ',' + (115 - 110 * (each.get(id) ?? 0) / top).toFixed(1));
      return shape('polyline', { points: points.join(' '), fill: 'none', stroke: colour(id), 'stroke-width': 1.5,
        'vector-effect': 'non-scaling-stroke', 'data-backend': id });
    }));
  }

  function drawMigrations(status) {
    const since = status.nowMs - WINDOW_MS;
    const recent = status.migrations.filter(m => (m.doneMs ?? status.nowMs) > since).slice(-40);
    const x = ms => Math.max(0, (ms - since) * WIDTH / WINDOW_MS);
    byId('timeline').replaceChildren(...recent.map((m, i) => shape('rect', {
      x: x(m.orderedMs), width: Math.max(1.5, x(m.doneMs ?? status.nowMs) - x(m.orderedMs)),
      y: 3 * i + 2, height: 2.4, fill: m.outcome === 'stayed' ? '#999' : colour(m.to), 'data-outcome': m.outcome,
    })));
    byId('migrations').replaceChildren(...status.migrations.slice(-12).reverse().map(m =>
      row([m.client, String(m.from), String(m.to), m.reason, m.outcome,
        m.doneMs == null ? '' : (m.doneMs - m.orderedMs).toFixed(0)])));
  }

  async function refresh() {
    try {
      const status = await (await fetch('status.json')).json();
      byId('state').textContent = status.connections + ' connections, ' + status.counters.moved + ' moved'
        + (status.dryRun ? ', dry run' : '');
      drawBackends(status);
      drawLoad(status);
      drawMigrations(status);
    } catch (error) {
      byId('state').textContent = 'no answer: ' + error.message;
    }
    setTimeout(refresh, 500);
  }
  refresh();
</script>
</html>
`;
