/**
 * What the API reference needs beyond TypeDoc's options: a module has its package's name, a member
 * that a class inherits is described where it is declared, once, and links to a heading have the
 * heading's own anchor.
 */
import { readFileSync } from 'node:fs';
import { Comment, Converter, ReflectionKind } from 'typedoc';
import { MarkdownPageEvent } from 'typedoc-plugin-markdown';

/** `trainer/src` → `trainer`. */
const nameOf = (module) => module.name.replace(/\/src(?:\/index)?$/, '');

/** A package's description, as it opens the package's page. */
function commentOf(name) {
  const file = new URL(`../../packages/${name}/package.json`, import.meta.url);
  const { description } = JSON.parse(readFileSync(file, 'utf8'));
  return new Comment([{ kind: 'text', text: `${description}.` }]);
}

/** The plugin numbers a heading that it has listed twice, even where the page has it once. */
function withKnownAnchors(page) {
  const headings = Array.from(page.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading.toLowerCase().replace(/[^\w-]/g, ''),
  );
  return page.replace(/\]\(#(\w+)-(\d+)\)/g, (link, name, number) => {
    const count = headings.filter((heading) => heading === name).length;
    return count > Number(number) ? link : `](#${name})`;
  });
}

/** @param {import('typedoc-plugin-markdown').MarkdownApplication} app */
export function load(app) {
  // A parameter that is taken apart has no name in the source; comments call it `options`.
  app.converter.on(Converter.EVENT_CREATE_PARAMETER, (_context, parameter) => {
    if (parameter.name === '__namedParameters') parameter.name = 'options';
  });
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const module of project.children ?? []) {
      module.name = nameOf(module);
      module.comment = commentOf(module.name);
    }
    const inherited = project
      .getReflectionsByKind(ReflectionKind.ClassMember)
      .filter((member) => member.inheritedFrom && member.kind !== ReflectionKind.Constructor);
    for (const member of inherited) project.removeReflection(member);
  });
  app.renderer.on(MarkdownPageEvent.END, (page) => {
    page.contents = withKnownAnchors(page.contents ?? '');
  });
}
