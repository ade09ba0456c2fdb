import { explorerHtml, kStyle } from './document.js';
import { answerLaws } from './laws.js';
import { script, scriptOfPackage } from './scripts.js';
import { type PageServer, servePage } from './server.js';
import { answerText } from './text.js';
import { answerTokens } from './tokens.js';
import { TrialsAtPoints } from './trials.js';

/** Serve the explorer until it is closed. */
export function serveExplorer(port: number): Promise<PageServer> {
  const trials = new TrialsAtPoints();
  return servePage(
    {
      files: {
        '': { type: 'text/html', read: async () => explorerHtml() },
        'style.css': { type: 'text/css', read: async () => kStyle },
        'main.js': script('page/main.js'),
        'vega.js': scriptOfPackage('vega', 'vega.min.js'),
        'vega-lite.js': scriptOfPackage('vega-lite', 'vega-lite.min.js'),
      },
      answers: {
        laws: answerLaws,
        trials: (question, signal) => trials.answer(question, signal),
        tokens: answerTokens,
        text: answerText,
      },
    },
    port,
  );
}
