import { z } from 'zod';
import { parseOptions } from '../base/options.js';
import { kScript } from '../report/assets.js';
import { figure } from '../report/figures/from-code.js';
import { drawnFigures } from '../report/index.js';
import { escapeHtml, kReportStyle, reportBody } from '../report/page.js';
import { progressText } from '../report/progress-text.js';
import { compare } from '../study/compare.js';
import { open, progress } from '../study/read.js';
import type { StudyResult } from '../study/rows.js';
import { pageHtml } from './document.js';
import { script } from './scripts.js';
import { type Answer, type PageFile, type PageServer, servePage } from './server.js';
import { nowHtml, Watch, type WatchedStudy } from './watch.js';

/** Studies on one page. */
const kMostStudies = 4;

const kNowStyle = `
#now progress { width: 100%; height: 1rem; accent-color: var(--accent); }
.cells { display: flex; flex-wrap: wrap; gap: 2px; margin: .5rem 0; }
.cell { display: inline-block; width: 13px; height: 13px; border: 1px solid var(--quiet); }
.cell.waiting { background: none; border-color: var(--line); }
.cell.running { background: linear-gradient(135deg, var(--accent) 50%, transparent 50%); }
.cell.finished { background: var(--accent); }
.cell.doubtful { background: #e69f00; }
.cell.failed { background: #d55e00; border-style: dashed; border-width: 2px; }
.legend, .lists ul { list-style: none; padding: 0; margin: .25rem 0; font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.lists { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0 1.5rem; }
.lists h3 { font-size: .95rem; margin: .75rem 0 .1rem; }
.lists li { overflow-wrap: anywhere; }
.overlaid svg { display: block; width: 100%; height: auto; }
`;

const studyPage = (title: string, answer: string) =>
  pageHtml(
    title,
    `<p class="warning" id="complaint" role="alert" hidden></p>
<main id="study" data-answer="${answer}" aria-busy="true"></main>
<script src="sort.js" type="module"></script>
<script src="watch.js" type="module"></script>`,
  );

const schema = z.strictObject({ version: z.string({ error: 'a text' }) });

/** Answers with how far the studies are, and with everything else if it is another version than the one that a page has. */
const answerOf =
  (watch: Watch): Answer =>
  async (question) => {
    const { version: known } = parseOptions(schema, question, '');
    const { version, html, progress } = await watch.see();
    return { version, progress, html: version === known ? null : html };
  };

/** A study as its report, with how far it is. */
async function studyHtml(study: WatchedStudy): Promise<string> {
  const how = await study.progress();
  const result = await study.read();
  const differences = await study.differences();
  return reportBody({ result, differences, figures: await drawnFigures(result, differences) }, nowHtml(result, how));
}

/** What several studies have in common in one figure; why not, where they have nothing. */
async function overlaid(results: readonly StudyResult[]): Promise<string> {
  try {
    return `<div class="overlaid" role="img" aria-label="Test error of all studies">${await figure(results, {}).svg()}</div>`;
  } catch (error) {
    return `<p>They do not fit into one figure: ${escapeHtml((error as Error).message)}</p>`;
  }
}

async function overviewHtml(studies: readonly WatchedStudy[]): Promise<string> {
  const results = await Promise.all(studies.map((study) => study.read()));
  const lines = await Promise.all(
    studies.map(async (study, i) => {
      const text = progressText(await study.progress());
      return `<li><a href="study-${i + 1}">${escapeHtml(study.name)}</a>: <span class="progress-text">${escapeHtml(text)}</span></li>`;
    }),
  );
  return `<h1>${studies.length} studies</h1><ul>${lines.join('')}</ul>${await overlaid(results)}`;
}

/** The study of a result file. */
export const studyOfFile = (file: string): WatchedStudy => ({
  name: file,
  read: () => open(file),
  differences: () => compare(file),
  progress: () => progress(file),
});

/** Serve studies, one or several, while they run and after, until the server is closed. */
export async function serveStudies(studies: readonly WatchedStudy[], port: number): Promise<PageServer> {
  parseOptions(
    z
      .array(z.unknown())
      .min(1)
      .max(kMostStudies, { error: `at most ${kMostStudies} studies` }),
    studies,
    'files',
  );
  const files: Record<string, PageFile> = {
    'style.css': { type: 'text/css', read: async () => kReportStyle + kNowStyle },
    'sort.js': { type: 'text/javascript', read: async () => kScript },
    'watch.js': script('page/watch.js'),
  };
  const answers: Record<string, Answer> = {};
  const add = (name: string, title: string, watched: readonly WatchedStudy[], html: () => Promise<string>) => {
    const answer = `look-${name || 'all'}`;
    files[name] = { type: 'text/html', read: async () => studyPage(title, answer) };
    answers[answer] = answerOf(new Watch(watched, html));
  };
  const [first] = studies;
  if (studies.length === 1 && first !== undefined) add('', first.name, studies, () => studyHtml(first));
  else {
    add('', 'Studies', studies, () => overviewHtml(studies));
    for (const [i, study] of studies.entries()) add(`study-${i + 1}`, study.name, [study], () => studyHtml(study));
  }
  return servePage({ files, answers }, port);
}
