import { Command } from 'commander';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { interruption } from './interruption.js';

interface ExploreFlags {
  readonly port: string;
  readonly cluster?: string;
}

function parsePort(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new OptionRangeError('port', 'an integer in [0, 65535]; 0 is a free one', text);
  return port;
}

/** The page for some result files, for studies of a cluster, or the explorer. */
async function serve(names: readonly string[], { port, cluster }: ExploreFlags) {
  const at = parsePort(port);
  if (cluster !== undefined) {
    if (names.length === 0) throw new OptionTypeError('files', 'ids of studies, with --cluster', undefined);
    const { serveStudies } = await import('../explore/studies.js');
    const { studyOfCluster } = await import('./cluster/cluster-study.js');
    return serveStudies(
      names.map((id) => studyOfCluster(cluster, id)),
      at,
    );
  }
  if (names.length === 0) {
    const { serveExplorer } = await import('../explore/explorer.js');
    return serveExplorer(at);
  }
  const { serveStudies, studyOfFile } = await import('../explore/studies.js');
  const { progress } = await import('../study/read.js');
  // A file that is none is told here, not on a page.
  for (const file of names) await progress(file);
  return serveStudies(names.map(studyOfFile), at);
}

/** `prompt-attention explore [FILE…]`. */
export function exploreCommand(): Command {
  return new Command('explore')
    .description(
      'serve a page to this machine alone: sliders for laws and simulation, or with result files their studies, also while they run',
    )
    .argument('[files...]', 'result files of studies; with --cluster ids of studies')
    .option('--cluster <url>', 'postgres://… of the database that holds the studies')
    .option('--port <number>', 'port of 127.0.0.1; 0 is a free one', '0')
    .action(async (files: readonly string[], flags: ExploreFlags) => {
      const { url, close } = await serve(files, flags);
      process.stdout.write(`page: ${url}\nOpen this address in a browser of this machine; Ctrl-C ends it.\n`);
      const signal = interruption();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await close();
    });
}
