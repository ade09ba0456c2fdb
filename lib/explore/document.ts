import { escapeHtml } from '../report/page.js';

/** A page of the server, with a style sheet beside it. `body` is HTML. */
export function pageHtml(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<title>${escapeHtml(title)}</title>
</head>
<body>
${body}
</body>
</html>
`;
}

/** The page of the explorer; everything else its script makes. */
export const explorerHtml = (): string =>
  pageHtml(
    'Explore prompt-attention',
    `<div id="page"></div>
<script src="vega.js"></script>
<script src="vega-lite.js"></script>
<script src="main.js" type="module"></script>`,
  );

/** Its style sheet: that of reports, with controls. */
export const kStyle = `
:root { --paper: #fff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --shade: #f6f8fa; --accent: #0062a3; --alert: #fff5ee; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15191e; --ink: #e6edf3; --quiet: #9aa4ae; --line: #353c44; --shade: #1e242b; --accent: #58b0ea; --alert: #33251b; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
#page { max-width: 86rem; margin: 0 auto; padding: .75rem 1rem 3rem; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; }
h2 { font-size: 1.05rem; margin: 0 0 .25rem; }
h3 { font-size: .95rem; margin: .75rem 0 .1rem; }
p { margin: .35rem 0; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: .87rem; }
.warning { color: var(--ink); border-left: 3px solid #d55e00; background: var(--alert); padding: .35rem .6rem; }
.columns { display: grid; grid-template: "complaint controls" auto "first controls" auto "others controls" auto "take controls" 1fr / minmax(0, 1fr) 23rem; gap: 0 1.5rem; align-items: start; }
main { display: contents; }
.complaint { grid-area: complaint; }
.first { grid-area: first; background: var(--paper); }
.others { grid-area: others; }
.take { grid-area: take; }
.controls { grid-area: controls; }
.drawing { width: 100%; overflow: hidden; }
.drawing svg { display: block; }
.others { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 0 1.25rem; }
.controls { max-height: calc(100vh - 5rem); overflow-y: auto; position: sticky; top: .75rem; }
fieldset { border: 1px solid var(--line); margin: 0 0 .6rem; padding: .35rem .7rem .55rem; min-width: 0; }
legend { font-weight: 600; font-size: .87rem; padding: 0 .3rem; }
.field { display: grid; grid-template-columns: minmax(0, 1fr) 5.6rem; gap: 0 .6rem; align-items: center; margin-top: .3rem; }
.field label { grid-column: 1 / -1; font-size: .87rem; color: var(--quiet); }
.field label b { color: var(--ink); font-style: italic; }
.choice label { grid-column: auto; }
.choice { grid-template-columns: minmax(6rem, auto) minmax(0, 1fr); }
.row { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .6rem; margin-top: .3rem; }
.small label { display: block; font-size: .87rem; color: var(--quiet); }
input[type=number], select, textarea { font: inherit; color: inherit; background: var(--paper); border: 1px solid #8a939c; border-radius: 3px; padding: .12rem .3rem; width: 100%; min-width: 0; min-height: 1.75rem; }
input[type=range] { width: 100%; margin: 0; accent-color: var(--accent); min-height: 1.5rem; }
.check, .setting { display: flex; gap: .45rem; align-items: center; margin-top: .35rem; font-size: .9rem; min-height: 1.5rem; overflow-wrap: anywhere; }
.check input, .setting input { accent-color: var(--accent); flex: none; width: 1.05rem; height: 1.05rem; margin: 0; }
.key { width: 1.1rem; height: .5rem; flex: none; }
.buttons { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--shade); border: 1px solid #8a939c; border-radius: 3px; padding: .25rem .65rem; min-height: 1.9rem; cursor: pointer; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.take { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: 1rem; padding-top: .75rem; border-top: 1px solid var(--line); }
dialog { color: inherit; background: var(--paper); border: 1px solid var(--line); width: min(54rem, 94vw); }
textarea { font: .8rem/1.4 ui-monospace, Menlo, Consolas, monospace; white-space: pre; }
@media (max-width: 56rem) {
  .columns { grid-template: "complaint" auto "first" auto "controls" auto "others" auto "take" auto / minmax(0, 1fr); }
  .first { position: sticky; top: 0; z-index: 1; padding-bottom: .3rem; border-bottom: 1px solid var(--line); margin-bottom: .6rem; }
  .controls { max-height: none; position: static; }
}
@media (max-width: 40rem) {
  #page { padding: .5rem .6rem 2rem; }
  h2 { font-size: .95rem; }
}
`;
