// TypeDoc plugin: figures of the site have dark colours where its page is dark. An image that is a document of its own knows the colour
// scheme of the page around it. The files in docs/ stay light, for readers that are not this site.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RendererEvent } from 'typedoc';
import { kDarkColors } from '../dist/report/figures/style.js';

const rules = Object.entries(kDarkColors).flatMap(([light, dark]) =>
  ['fill', 'stroke'].map((name) => `[${name}="${light}"] { ${name}: ${dark}; }`),
);
// Text that names no colour is black.
rules.push(`text:not([fill]) { fill: ${kDarkColors.black}; }`);
const style = `<style>@media (prefers-color-scheme: dark) { ${rules.join(' ')} }</style>`;

/** What TypeDoc calls when it loads the plugin. */
export function load(app) {
  app.renderer.on(RendererEvent.END, ({ outputDirectory }) => {
    const folder = join(outputDirectory, 'media');
    for (const name of readdirSync(folder).filter((each) => each.endsWith('.svg'))) {
      const path = join(folder, name);
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(/<svg[^>]*>/, (begin) => `${begin}${style}`),
      );
    }
  });
}
