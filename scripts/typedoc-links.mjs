// TypeDoc plugin: in README and guides, code that names an export of the package (`simulate`, `risk.knownPrompt(…)`) becomes a link to
// its page. So guides stay plain Markdown, readable on a Git forge too. A member of a namespace that does not exist is a warning.
import { DocumentReflection, MarkdownEvent, ProjectReflection, ReflectionKind } from 'typedoc';

const kLinked =
  ReflectionKind.Function |
  ReflectionKind.Variable |
  ReflectionKind.Class |
  ReflectionKind.Interface |
  ReflectionKind.TypeAlias;

// `name` or `name(…)`, whole; also a member, as in `Simulation.path`.
const kCode = /<code>([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)(\(.*?\))?<\/code>(?!<\/a>)/g;

/** The export of the package of that name; the package is the only module of the project. */
function find(project, name) {
  let found = project.children?.[0];
  for (const part of name.split('.')) found = found?.getChildByName([part]);
  return found;
}

/** What TypeDoc calls when it loads the plugin. */
export function load(app) {
  app.renderer.on(
    MarkdownEvent.PARSE,
    (event) => {
      const { model, project } = event.page;
      if (!(model instanceof DocumentReflection || model instanceof ProjectReflection)) return;
      event.parsedText = event.parsedText.replaceAll(kCode, (code, name) => {
        const target = find(project, name);
        const [first] = name.split('.');
        if (target === undefined && first !== name && find(project, first)?.kindOf(ReflectionKind.Namespace))
          app.logger.warn(`${model.name}: ${name} is not exported`);
        const linked = target?.kindOf(kLinked) || (target !== undefined && first !== name);
        if (!linked || !app.renderer.router.hasUrl(target)) return code;
        return `<a href="${app.renderer.router.relativeUrl(model, target)}">${code}</a>`;
      });
    },
    // After TypeDoc's own handler, which parses.
    -1000,
  );
}
