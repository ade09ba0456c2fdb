import { Command } from 'commander';
import { readObject, seedOf } from './arguments.js';
import { checkFigureName, writeFigure } from './figure.js';

interface DrawFlags {
  readonly out: string;
  readonly seed: string;
  readonly trial: string;
  readonly correct: string;
  readonly wrong: string;
}

/** `prompt-attention images check`. */
function checkCommand(): Command {
  return new Command('check')
    .description('load every data set and print what is in it; a missing one is an error that names how to install it')
    .action(async () => {
      const { loadImages } = await import('../images/index.js');
      for (const name of ['fashion-mnist', 'mnist'] as const) {
        const [train, test] = (['train', 'test'] as const).map((split) => loadImages(name, { split }));
        process.stdout.write(
          `${name}: ${train?.count} training and ${test?.count} test images of ${train?.height}×${train?.width} pixels: ` +
            `${train?.classes.join(', ')}\n`,
        );
      }
    });
}

/** `prompt-attention images maps EXPERIMENT`. */
function mapsCommand(): Command {
  return new Command('maps')
    .description('draw where a layer looks before and after the tuning of an image-transfer experiment')
    .argument('<experiment>', 'JSON or YAML file, or JSON text beginning with {')
    .requiredOption('--out <file>', 'SVG or PNG file to write, by its ending; - for SVG on standard output')
    .option('--seed <number>', 'seed, as of a study of the experiment', '0')
    .option('--trial <number>', 'which trial of such a study', '0')
    .option('--correct <number>', 'test examples that are classified correctly after tuning', '3')
    .option('--wrong <number>', 'test examples that are misclassified after tuning', '3')
    .action(async (argument: string, { out, seed, trial, correct, wrong }: DrawFlags) => {
      await checkFigureName(out, 'out');
      const { attentionMaps } = await import('../images/index.js');
      const experiment = await readObject(argument, 'experiment', '{ kind, task, method, … }');
      const svg = await attentionMaps(experiment as never, {
        seed: seedOf(seed),
        trial: Number(trial),
        correct: Number(correct),
        wrong: Number(wrong),
      });
      await writeFigure(out, svg);
    });
}

/** `prompt-attention images figure RESULTS`. */
function figureCommand(): Command {
  return new Command('figure')
    .description('draw the results of a study of experiments on images, a panel per task')
    .argument('<results>', 'result file')
    .requiredOption('--out <file>', 'SVG or PNG file to write, by its ending; - for SVG on standard output')
    .action(async (results: string, { out }: Pick<DrawFlags, 'out'>) => {
      await checkFigureName(out, 'out');
      const { open } = await import('../study/index.js');
      const { imageFigure } = await import('../report/real-data/images.js');
      await writeFigure(out, await imageFigure(await open(results)));
    });
}

/** `prompt-attention images …`. */
export function imagesCommand(): Command {
  return new Command('images')
    .description('real images: data sets, attention maps and figures')
    .addCommand(checkCommand())
    .addCommand(mapsCommand())
    .addCommand(figureCommand());
}
