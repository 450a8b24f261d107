// How the controller's page looks, in light and in dark. Colours of backends are here because both must show them.

/** Colours of backends, by number; they repeat. Each stands out on white and on black. */
export const BACKEND_COLOURS: readonly string[] = [
  '#4c8ed0',
  '#e8686f',
  '#3a9d5d',
  '#c99a1e',
  '#a463c4',
  '#2aa5b5',
  '#dd7733',
  '#8a8a8a',
];

export const PAGE_STYLE: string = `
  :root {
    color-scheme: light dark;
    --text: #1d2126; --quiet: #68717c; --paper: #ffffff; --panel: #f6f7f9; --line: #dde1e6; --bad: #b3261e; --warn: #94600a;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --text: #e4e7eb; --quiet: #98a2ad; --paper: #14171b; --panel: #1c2127; --line: #343b44; --bad: #ff8a80; --warn: #f0b45a;
    }
  }
  body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 64rem; padding: 0 1rem;
    color: var(--text); background: var(--paper) }
  header { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline }
  h1 { font-size: 1.35rem; margin: 0 }
  h2 { font-size: 1rem; margin: 1.6rem 0 .4rem } h2 small { font-weight: normal; color: var(--quiet) }
  #state { color: var(--quiet) }
  #stuck { color: var(--warn); margin: .4rem 0 0 } #stuck:empty { display: none }
  .silent #state { color: var(--bad); font-weight: 600 }
  .silent main { opacity: .45 }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; width: 100%; white-space: nowrap }
  th { font-weight: 500; color: var(--quiet); font-size: .85rem }
  th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
    font-variant-numeric: tabular-nums }
  th:first-child, td:first-child { text-align: left }
  td { max-width: 24rem; overflow: hidden; text-overflow: ellipsis }
  .down { color: var(--bad) } .draining { color: var(--warn) }
  .swatch { display: inline-block; width: .75em; height: .75em; margin-right: .5em; border-radius: 2px }
  svg { display: block; width: 100%; background: var(--panel); border: 1px solid var(--line); border-radius: 4px }
  #load { height: 12rem } #timeline { height: 14rem }
  svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); font-variant-numeric: tabular-nums }
  .grid { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges }
  polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
  .underWay { opacity: .55 } .stayed .way, .gone .way { opacity: .3 }
`;
