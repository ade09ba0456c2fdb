/** The style sheet of a report: one column, readable on a phone, on paper and without colours. */
export const kStyleSheet = `
:root { --paper: #fff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --shade: #f6f8fa; --accent: #0072b2; --alert: #fff5ee; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15191e; --ink: #e6edf3; --quiet: #9aa4ae; --line: #353c44; --shade: #1e242b; --accent: #58b0ea; --alert: #33251b; }
}
@media print { :root { color-scheme: light; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: .9rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 0; padding: 0; }
a { color: var(--accent); }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0; }
dl.facts div { background: var(--shade); border-left: 3px solid var(--accent); padding: .5rem .75rem; }
dt { color: var(--quiet); font-size: .8rem; }
dl.facts dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.warning { border-left: 3px solid #d55e00; background: var(--alert); padding: .5rem .75rem; }
figure { margin: 1rem 0 0; }
figure svg { display: block; width: 100%; height: auto; max-width: var(--width); }
.narrow { display: none; }
@media screen and (max-width: 40rem) {
  .wide { display: none; }
  .narrow { display: block; }
}
figcaption { color: var(--quiet); font-size: .9rem; margin-top: .25rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th.text, td.text { text-align: left; }
thead th { position: sticky; top: 0; background: var(--shade); padding: 0; vertical-align: bottom; }
thead th span { display: block; padding: .4rem .6rem; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: .4rem .6rem; width: 100%; text-align: inherit; cursor: pointer; }
th button:hover, th button:focus-visible { color: var(--accent); text-decoration: underline; }
th[aria-sort] button::after { content: " ↕"; color: var(--line); }
th[aria-sort=ascending] button::after { content: " ↑"; color: inherit; }
th[aria-sort=descending] button::after { content: " ↓"; color: inherit; }
tbody tr:hover { background: var(--shade); }
.rows { max-height: 36rem; overflow: auto; border: 1px solid var(--line); }
pre { background: var(--shade); padding: .75rem; overflow-x: auto; font-size: .8rem; line-height: 1.4; }
dl.details { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .9rem; margin: .5rem 0 1.5rem; }
dl.details dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl.details { grid-template-columns: 1fr; } dl.details dd { margin-bottom: .4rem; } }
@media print {
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; }
  figure, tr, dl.details { break-inside: avoid; }
  .rows { overflow: visible; max-height: none; border: 0; }
  table { font-size: 7pt; white-space: normal; }
  th, td { padding: .1rem .25rem; }
  thead th { position: static; }
  th button::after { content: none !important; }
  pre { white-space: pre-wrap; }
}
`;

/** Sorts a table by the column whose heading is pressed: by number where the cells are numbers, missing values last. */
export const kScript = `
document.addEventListener('click', (event) => {
  const heading = event.target.closest('table[data-sortable] th');
  if (heading === null) return;
  const table = heading.closest('table');
  const column = heading.cellIndex;
  const down = heading.getAttribute('aria-sort') === 'ascending';
  for (const other of table.tHead.rows[0].cells) other.setAttribute('aria-sort', 'none');
  heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const body = table.tBodies[0];
  const key = (row) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const missing = (value) => value === '–' || Number.isNaN(value);
  const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)));
  const rows = [...body.rows].map((row) => [key(row), row]);
  rows.sort(([a], [b]) => missing(a) - missing(b) || (down ? compare(b, a) : compare(a, b)));
  body.append(...rows.map(([, row]) => row));
});
`;
