/**
 * How the page looks: narrow and wide, light and dark, on paper. Colours are those of the charts.
 */
export const pageStyle = `
:root {
  color-scheme: light dark; --ink: #262626; --soft: #5d5d63; --paper: #ffffff; --edge: #d4d4d8;
  --shade: #f5f5f6; --link: #005f96; --wrong: #a83200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --soft: #a9a9b0; --paper: #18181b; --edge: #43434a; --shade: #232327;
    --link: #6db8ea; --wrong: #ff9a5c;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 78rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 {
  font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--edge);
}
p { margin: .5rem 0; max-width: 48rem; overflow-wrap: anywhere; }
a { color: var(--link); }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
.state, .caption, footer { color: var(--soft); }
.caption { font-size: .875rem; max-width: 32rem; margin: .25rem 0 1rem; }
nav h2 { font-size: 1rem; margin: 1.2rem 0 .3rem; padding: 0; border: 0; }
nav ol { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
nav a { display: inline-block; padding: .15rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0 0; }
.tiles div {
  flex: 1 0 auto; min-width: 5.5rem; background: var(--shade); border-radius: .4rem;
  padding: .5rem .7rem;
}
.tiles dt { color: var(--soft); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.command {
  white-space: pre-wrap; overflow-wrap: anywhere; background: var(--shade);
  border: 1px solid var(--edge); border-radius: .4rem; padding: .7rem .9rem; margin: .5rem 0;
  user-select: all;
}
.command span { display: inline-block; max-width: 100%; }
.pairs {
  display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .6rem 0;
}
.pairs dt { color: var(--soft); }
.pairs dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow: auto; margin: .6rem 0; }
.long { max-height: 40rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td {
  padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--edge);
}
th { font-weight: 600; }
tbody th { font-weight: 400; }
thead th { position: sticky; top: 0; background: var(--paper); white-space: nowrap; }
.number { text-align: right; padding-left: .8rem; white-space: nowrap; }
.default { color: var(--soft); }
.missing { border-left: 3px solid var(--edge); padding: .2rem .8rem; color: var(--soft); }
.charts { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
.charts .chart { flex: 0 1 28.75rem; min-width: 0; }
.chart { max-width: 100%; overflow-x: auto; }
.dense figure { min-width: 36rem; }
.examples {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1rem;
  margin-top: .8rem;
}
.example {
  margin: 0; font-size: .85rem; line-height: 1.35; color: var(--soft); overflow-wrap: anywhere;
}
.example img, .no-picture {
  display: block; width: 7rem; height: 7rem; object-fit: contain; image-rendering: pixelated;
  background: var(--shade); margin-bottom: .3rem;
}
.example span { display: block; color: var(--ink); }
.example .wrong { color: var(--wrong); }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
footer { margin-top: 3rem; font-size: .875rem; overflow-wrap: anywhere; }
@media (max-width: 30rem) {
  th, td { padding-right: .45rem; }
  .number { padding-left: .45rem; }
  .number:last-child { padding-right: 0; }
  #configuration td:last-child { min-width: 18rem; }
}
@media (min-width: 66rem) {
  body {
    display: grid; grid-template-columns: 11rem minmax(0, 1fr); column-gap: 2.5rem;
    align-content: start;
  }
  header, footer { grid-column: 1 / -1; }
  nav { position: sticky; top: 1rem; align-self: start; }
  nav ol { display: block; }
  section:first-child h2 { margin-top: 1.2rem; padding-top: 0; border: 0; }
}
@media print {
  :root {
    --ink: #000; --soft: #444; --paper: #fff; --edge: #bbb; --shade: #f5f5f5; --link: #000;
    --wrong: #a83200;
  }
  body { display: block; max-width: none; padding: 0; font-size: 10pt; }
  nav, summary { display: none; }
  .scroll, .long, .chart { overflow: visible; max-height: none; }
  .dense figure { min-width: 0; }
  thead th { position: static; }
  h2 { break-after: avoid; }
  tr, figure, .chart, .tiles div, .command { break-inside: avoid; }
}
`;
