// The looks of the reference: one sheet, no image, no font of ours, so that the page needs nothing but itself.

export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fcfcfb; --panel: #f4f5f5; --text: #1b1e22; --soft: #575e67; --line: #dfe2e5; --link: #0a58a8;
  --get: #12683c; --post: #0a58a8; --put: #8a5300; --delete: #ab2027; --mark: #fff4d2;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121416; --panel: #1b1f23; --text: #e3e6e9; --soft: #a0a8b1; --line: #2d3339; --link: #86bdf7;
    --get: #6fce98; --post: #86bdf7; --put: #e6b25c; --delete: #f39094; --mark: #33301c;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
code, pre, .path, .name { font-family: var(--mono); font-size: .875em; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; line-height: 1.5; font-size: .8125rem; }
p { margin: .6rem 0; max-width: 46rem; }
.points { margin: .6rem 0; padding-left: 1.1rem; max-width: 46rem; font-size: .9375rem; } .points li { margin: .25rem 0; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--ground); padding: .5rem; z-index: 2; }
.frame { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 92rem; margin: 0 auto; }
nav { position: sticky; top: 0; align-self: start; height: 100vh; overflow-y: auto; padding: 1.5rem 1rem 3rem 1.5rem; border-right: 1px solid var(--line); font-size: .875rem; }
nav .brand { font-weight: 650; font-size: 1rem; margin: 0 0 1rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav > ul > li { margin-bottom: .9rem; }
nav > ul > li > a { color: var(--text); font-weight: 600; text-decoration: none; }
nav ul ul { margin: .2rem 0 0; }
nav ul ul a { display: block; padding: .12rem 0; color: var(--soft); text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { color: var(--link); text-decoration: underline; }
main { padding: 2rem 2.5rem 6rem; min-width: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.375rem; margin: 3.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.125rem; margin: 0; overflow-wrap: anywhere; }
h4 { font-size: .8125rem; margin: 1.4rem 0 .4rem; color: var(--soft); font-weight: 600; }
h3 .name { font-size: .8125rem; font-weight: 400; color: var(--soft); margin-left: .5rem; }
h3 a.self { color: inherit; text-decoration: none; }
h3 a.self:hover { text-decoration: underline; }
.verb { padding: 2rem 0 1rem; }
.verb + .verb { border-top: 1px solid var(--line); }
:target > h3 a.self, tr:target td:first-child { background: var(--mark); }
.call { margin: .5rem 0; overflow-wrap: anywhere; }
.method { font: 600 .75rem/1 var(--mono); margin-right: .5rem; color: var(--post); }
.GET, .HEAD, .OPTIONS { color: var(--get); } .PUT, .PATCH { color: var(--put); } .DELETE { color: var(--delete); }
.facts { margin: .5rem 0 0; padding: 0; list-style: none; font-size: .875rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; }
.facts b { font-weight: 600; color: var(--text); }
.halves { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 2.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .75rem; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
tr:last-child > td { border-bottom: 0; }
td.field { width: 32%; overflow-wrap: anywhere; }
td.field .name { color: var(--text); font-weight: 600; }
td.field small, .limits { color: var(--soft); font-size: .75rem; display: block; line-height: 1.45; }
td.type { width: 26%; overflow-wrap: anywhere; }
td.type code { font-size: .75rem; }
.none { color: var(--soft); font-size: .875rem; }
.codes { font-size: .8125rem; line-height: 1.7; margin: 0; display: grid; grid-template-columns: 9rem minmax(0, 1fr); gap: .2rem .8rem; }
.codes dt { color: var(--soft); } .codes dd { margin: 0; }
.codes code { font-size: .75rem; }
.codes a { white-space: nowrap; text-decoration: none; margin-right: .3rem; }
.codes a:hover { text-decoration: underline; }
.callers td:first-child { width: 7rem; font-weight: 600; } .callers td:nth-child(2) { width: 40%; }
.index td { padding-top: .3rem; padding-bottom: .3rem; border: 0; }
.index td:first-child { width: 45%; overflow-wrap: anywhere; } .index .method { display: inline-block; min-width: 3.4rem; }
.faults td:first-child { width: 14rem; } .faults pre { font-size: .75rem; margin: .4rem 0 .2rem; }
footer { margin-top: 4rem; color: var(--soft); font-size: .8125rem; }
@media (min-width: 80rem) {
  .halves { grid-template-columns: minmax(0, 1fr) minmax(0, 27rem); }
  .samples { position: sticky; top: 1rem; align-self: start; }
  .samples h4:first-child { margin-top: 1.4rem; }
}
@media (max-width: 56rem) {
  html { scroll-padding-top: 3.5rem; }
  .frame { display: block; }
  nav { position: sticky; top: 0; z-index: 1; height: auto; padding: .7rem 1rem; border: 0; border-bottom: 1px solid var(--line); background: var(--ground); overflow-x: auto; white-space: nowrap; }
  nav .brand, nav ul ul { display: none; }
  nav > ul { display: flex; gap: 1.1rem; }
  nav > ul > li { margin: 0; }
  nav > ul > li > a { font-weight: 500; color: var(--link); }
  main { padding: 1.25rem 1rem 4rem; }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.5rem; }
  h3 .name { display: block; margin: .1rem 0 0; }
  thead { position: absolute; left: -99rem; }
  table, tbody, tr, td, td.field, td.type, .index td:first-child, .faults td:first-child, .callers td:nth-child(n) { display: block; width: auto; }
  tr { padding: .55rem 0; border-bottom: 1px solid var(--line); }
  tr:last-child, .index tr { border-bottom: 0; } .index tr { padding: .3rem 0; } .index td { padding: 0; }
  td { border: 0; padding: .05rem 0; }
  td.field small { display: inline; margin-left: .4rem; }
  .limits { display: inline; margin-left: .4rem; }
  pre { font-size: .75rem; padding: .7rem .8rem; }
  .codes { grid-template-columns: minmax(0, 1fr); gap: 0; } .codes dd { margin-bottom: .4rem; }
}
@media print { nav { display: none; } .frame { display: block; } pre { white-space: pre-wrap; } }
`;
