// What the controller's page runs in the browser: it asks for `status.json` twice a second and draws it. Text of the fleet becomes
// text nodes and attributes, never markup.

import { BACKEND_COLOURS } from './page-style.ts';

/** The script, as it is sent. Times in it are ms of the controller's clock. */
export const PAGE_SCRIPT: string = `
  'use strict';
  const COLOURS = ${JSON.stringify(BACKEND_COLOURS)};
  const REFRESH_MS = 500, PATIENCE_MS = 2000, LOAD_MS = 60000, TIMELINE_MS = 10000;
  const LEFT = 52, RIGHT = 10, TOP = 10, BOTTOM = 20, LANE = 9;
  const byId = id => document.getElementById(id);
  const colour = id => COLOURS[id % COLOURS.length] ?? 'currentColor';
  let history = [];

  function row(cells, className) {
    const tr = document.createElement('tr');
    if (className) tr.className = className;
    for (const cell of cells) {
      const td = document.createElement('td');
      td.append(cell);
      tr.append(td);
    }
    return tr;
  }

  function named(id) {
    const name = document.createElement('span');
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = colour(id);
    name.append(swatch, String(id));
    return name;
  }

  function shape(name, attributes, ...children) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  /** A chart's place in pixels, and the seconds along its foot. */
  function frame(svg, windowMs, stepMs) {
    const width = svg.clientWidth, height = svg.clientHeight;
    const x = ageMs => width - RIGHT - (width - LEFT - RIGHT) * Math.min(1, ageMs / windowMs);
    const marks = [];
    for (let age = 0; age <= windowMs; age += stepMs) {
      marks.push(shape('line', { class: 'grid', x1: x(age), x2: x(age), y1: TOP, y2: height - BOTTOM }));
      marks.push(shape('text', { x: x(age), y: height - 6, 'text-anchor': age === 0 ? 'end' : 'middle' },
        age === 0 ? 'now' : '\u2212' + age / 1000 + ' s'));
    }
    return { width, height, x, marks };
  }

  function drawBackends({ backends }) {
    byId('backends').replaceChildren(...backends.map(b =>
      row([named(b.id), b.state, String(b.weight), String(b.connections), b.load.toFixed(0), String(b.delayUs),
        b.silentMs.toFixed(0)], b.state)));
  }

  /** The round number above: 1, 2 or 5 times a power of ten. */
  function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
    return [1, 2, 5, 10].map(each => each * power).find(each => each >= value);
  }

  function drawLoad({ backends, nowMs }) {
    // The clock of another controller: what was before it has no place in its time.
    if (history.length > 0 && history.at(-1).nowMs > nowMs) history = [];
    history.push({ nowMs, loads: new Map(backends.map(b => [b.id, b.load])) });
    history = history.filter(each => nowMs - each.nowMs <= LOAD_MS);
    const { width, height, x, marks } = frame(byId('load'), LOAD_MS, 10000);
    const most = roundUp(Math.max(1, ...history.flatMap(each => [...each.loads.values()])));
    const y = load => height - BOTTOM - (height - TOP - BOTTOM) * load / most;
    for (const part of [0, 0.5, 1]) {
      const at = y(part * most);
      marks.push(shape('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
      marks.push(shape('text', { x: LEFT - 6, y: at + 4, 'text-anchor': 'end' }, (part * most).toLocaleString('en')));
    }
    const lines = backends.map(({ id }) => shape('polyline', {
      'data-backend': id, stroke: colour(id),
      points: history.filter(each => each.loads.has(id)).map(each =>
        x(nowMs - each.nowMs).toFixed(1) + ',' + y(each.loads.get(id)).toFixed(1)).join(' '),
    }));
    byId('load').replaceChildren(...marks, ...lines);
  }

  const took = m => m.doneMs == null ? '' : (m.doneMs - m.orderedMs).toFixed(0);

  /** One bar each: its head in the colour of the backend it leaves, the rest in the colour of the one it goes to. */
  function drawTimeline({ migrations, nowMs }) {
    const { height, x, marks } = frame(byId('timeline'), TIMELINE_MS, 1000);
    const ends = [], lanes = Math.floor((height - TOP - BOTTOM) / LANE);
    let hidden = 0;
    const bars = [];
    for (const m of migrations) {
      const doneMs = m.doneMs ?? nowMs;
      if (nowMs - doneMs >= TIMELINE_MS) continue;
      const from = x(nowMs - m.orderedMs), to = Math.max(from + 8, x(nowMs - doneMs));
      let lane = ends.findIndex(end => end + 2 <= from);
      if (lane < 0) lane = ends.length;
      if (lane >= lanes) { hidden++; continue; }
      ends[lane] = to;
      const y = TOP + lane * LANE + 1, size = { y, height: LANE - 2 };
      bars.push(shape('g', { class: m.outcome, 'data-client': m.client, 'data-outcome': m.outcome },
        shape('title', {}, m.client + ': ' + m.from + ' \u2192 ' + m.to + ', ' + m.reason + ', ' + m.outcome
          + (took(m) && ' after ' + took(m) + ' ms')),
        shape('rect', { ...size, class: 'way', x: from, width: to - from, rx: 1.5, fill: colour(m.to) }),
        shape('rect', { ...size, x: from, width: 4, rx: 1.5, fill: colour(m.from) })));
    }
    if (hidden > 0) marks.push(shape('text', { x: LEFT - 6, y: height - BOTTOM - 2, 'text-anchor': 'end' }, '+' + hidden));
    byId('timeline').replaceChildren(...marks, ...bars);
    byId('migrations').replaceChildren(...migrations.slice(-12).reverse().map(m =>
      row([m.client, named(m.from), named(m.to), m.reason, m.outcome, took(m)])));
  }

  function draw(status) {
    const { connections, counters, plan, dryRun } = status;
    byId('state').textContent = connections + ' connections, ' + counters.moved + ' moved' + (dryRun ? ', dry run' : '');
    byId('stuck').textContent = plan.stuck.map(({ backend, why, excess }) =>
      'Backend ' + backend + ' has ' + excess.toFixed(0) + ' packets/s too many (' + why + ').').join(' ');
    drawBackends(status);
    drawLoad(status);
    drawTimeline(status);
  }

  async function refresh() {
    try {
      const response = await fetch('status.json', { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!response.ok) throw new Error('status ' + response.status);
      draw(await response.json());
      document.body.className = '';
    } catch (error) {
      // What is shown is old now; the controller may come back.
      document.body.className = 'silent';
      byId('state').textContent = 'no answer: ' + error.message;
    }
    setTimeout(refresh, REFRESH_MS);
  }
  refresh();
`;
