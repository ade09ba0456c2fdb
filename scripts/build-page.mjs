// Part of `npm run build:ts`: bundles the scripts of pages, lib/explore/page, into dist/explore/page. Vega and Vega-Lite are
// served beside it from their packages; what else it contains is listed with its licences in THIRD-PARTY-LICENSES.txt.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A package that the page has loaded as a script of its own, under a name of the window. */
const loaded = (name, variable) => ({
  name,
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: name }));
    onLoad({ filter: /.*/, namespace: name }, () => ({ contents: `module.exports = window.${variable};` }));
  },
});

await build({
  absWorkingDir: root,
  entryPoints: ['lib/explore/page/main.ts', 'lib/explore/page/watch.ts'],
  outdir: 'dist/explore/page',
  tsconfig: 'lib/explore/page/tsconfig.json',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  plugins: [loaded('vega', 'vega'), loaded('vega-lite', 'vegaLite')],
});
