/** Milliseconds between two questions; the server decides whether everything is read again. */
const kPause = 2000;

const main = document.getElementById('study') as HTMLElement;
const complaint = document.getElementById('complaint') as HTMLElement;

interface News {
  readonly version: string;
  /** Null if there is nothing new but the progress. */
  readonly html: string | null;
  /** Of every study. */
  readonly progress: readonly { readonly text: string; readonly value: number; readonly most: number }[];
}

/** The columns that tables are sorted by, as headings to press and how often. */
function sortings(): readonly (() => void)[] {
  const tables = [...main.querySelectorAll<HTMLTableElement>('table[data-sortable]')];
  return tables.flatMap((table, i) => {
    const heading = table.querySelector<HTMLTableCellElement>('th[aria-sort=ascending], th[aria-sort=descending]');
    if (heading === null) return [];
    const { cellIndex } = heading;
    const presses = heading.ariaSort === 'descending' ? 2 : 1;
    return [
      () => {
        const after = main.querySelectorAll<HTMLTableElement>('table[data-sortable]')[i];
        const button = after?.tHead?.rows[0]?.cells[cellIndex]?.querySelector('button');
        for (let press = 0; press < presses; ++press) button?.click();
      },
    ];
  });
}

/** Put what is new in the place of what was, as sorted and scrolled as it was. */
function show(html: string): void {
  const sorted = sortings();
  const scrolled = [...main.querySelectorAll('.rows')].map(({ scrollTop, scrollLeft }) => ({ scrollTop, scrollLeft }));
  const { scrollY } = window;
  // Of the server, which writes all text as text.
  main.innerHTML = html;
  for (const sort of sorted) sort();
  for (const [i, rows] of [...main.querySelectorAll('.rows')].entries()) Object.assign(rows, scrolled[i]);
  window.scrollTo({ top: scrollY });
}

async function look(version: string): Promise<string> {
  const response = await fetch(main.dataset.answer as string, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ version }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  const { version: newer, html, progress } = answer as News;
  if (html !== null) show(html);
  const texts = main.querySelectorAll('.progress-text');
  const bars = main.querySelectorAll('progress');
  for (const [i, { text, value, most }] of progress.entries()) {
    const [element, bar] = [texts[i], bars[i]];
    if (element !== undefined && element.textContent !== text) element.textContent = text;
    if (bar !== undefined) Object.assign(bar, { max: most, value });
  }
  main.ariaBusy = 'false';
  return newer;
}

async function follow(): Promise<void> {
  let version = '';
  for (;;) {
    // A page that nobody looks at asks for nothing.
    if (!document.hidden) {
      try {
        version = await look(version);
        complaint.hidden = true;
      } catch (error) {
        complaint.hidden = false;
        complaint.textContent =
          error instanceof TypeError
            ? 'The program that shows the study has ended: this is how far the study was.'
            : String(error);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, kPause));
  }
}

void follow();
