/**
 * What all packages share is written from one place, the root package.json: `engines`, `author` and
 * `repository` (an https address) there give author, homepage, bugs and repository of every
 * package, and the links at the end of its README.
 *
 *   node test/package/metadata.mjs             lists what differs, and fails if anything does
 *   node test/package/metadata.mjs --write     writes it (`npm run metadata`)
 *   node test/package/metadata.mjs --publish   each package's prepublishOnly: refuses to publish
 *                                              without an address or without provenance
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { listPackages, ROOT, readJson } from './packages.mjs';

const SCRIPTS = {
  prepack: 'node ../../test/package/build.mjs',
  prepublishOnly: 'node ../../test/package/metadata.mjs --publish',
};
/** Where a README's links are written; the opening comment names the pages of docs/ to link. */
const LINKS = /<!-- links:([^\n]*?)-->\n[\s\S]*?<!-- \/links -->/;
const FIRST_FIELDS = 'name version description license author homepage bugs repository'.split(' ');

/**
 * @param {string} [root] a copy of the repository
 * @returns {string | undefined} the repository's address without `.git`; undefined until it is set
 * @throws Error when it is no https address
 */
export function readRepository(root = ROOT) {
  const { repository } = readJson(path.join(root, 'package.json'));
  const url = typeof repository === 'object' ? repository.url : repository;
  if (!url) return undefined;
  const address = url.replace(/^git\+/, '').replace(/(\.git)?\/*$/, '');
  if (!/^https:\/\/[^/]+\/.+/.test(address))
    throw new Error(
      `[metadata] ${repositoryLine(root)}: expected an https address such as https://github.com/OWNER/deepend, got ${url}`,
    );
  return address;
}

/** @throws Error that names the line to edit, until the repository's address is set */
export function requireRepository(root = ROOT) {
  const repository = readRepository(root);
  if (repository) return repository;
  throw new Error(
    `[release] the repository's address is not known: write it at ${repositoryLine(root)}, then run: npm run metadata`,
  );
}

function repositoryLine(root) {
  const lines = readFileSync(path.join(root, 'package.json'), 'utf8').split('\n');
  const index = lines.findIndex((line) => line.startsWith('  "repository"'));
  return `package.json:${index + 1} (${lines[index]?.trim()})`;
}

/** An address below the repository's, such as `/issues`; GitLab puts `/-` in between. */
function pageAddress(repository, page) {
  return `${repository}${new URL(repository).host.startsWith('gitlab.') ? '/-' : ''}${page}`;
}

/** TypeScript's node10 ignores `exports`: it finds a subpath's declarations in typesVersions. */
function typesForNode10(exports = {}) {
  const rows = Object.entries(exports)
    .filter(([subpath, target]) => subpath !== '.' && target.require?.types)
    .map(([subpath, target]) => [subpath.slice('./'.length), [target.require.types]]);
  return rows.length > 0 ? { typesVersions: { '*': Object.fromEntries(rows) } } : {};
}

/** A package.json with the fields that all packages share. */
function withSharedFields({ folder, manifest }, owner) {
  const { author, backends, engines, repository, version } = owner;
  const directory = `packages/${folder}`;
  const { homepage: _, bugs: __, repository: ___, typesVersions: ____, ...own } = manifest;
  const shared = {
    ...own,
    version,
    license: 'MIT',
    author,
    ...(repository && {
      homepage: pageAddress(repository, `/tree/main/${directory}#readme`),
      bugs: { url: pageAddress(repository, '/issues') },
      repository: { type: 'git', url: `git+${repository}.git`, directory },
    }),
    type: 'module',
    engines,
    backends,
    ...typesForNode10(own.exports),
    publishConfig: { access: 'public' },
    scripts: {
      ...own.scripts,
      ...SCRIPTS,
      test: `cd ../.. && vitest run test/${folder} --passWithNoTests`,
    },
  };
  for (const kind of ['dependencies', 'peerDependencies', 'devDependencies'])
    for (const name of Object.keys(shared[kind] ?? {}))
      if (name === 'deepend' || name.startsWith('@deepend/')) shared[kind][name] = version;
  const first = FIRST_FIELDS.filter((field) => field in shared);
  return { ...Object.fromEntries(first.map((field) => [field, shared[field]])), ...shared };
}

/** A README whose links to the documentation, the repository and the licence are up to date. */
function withLinks(readme, { folder }, { repository }) {
  return readme.replace(LINKS, (_, pages) => {
    const docs = pages.trim().split(/\s+/).filter(Boolean);
    const link = (text, page) =>
      repository ? `[${text}](${pageAddress(repository, page)})` : `\`${text}\``;
    const pagesOfDocs = docs.map((page) => link(`docs/${page}`, `/blob/main/docs/${page}`));
    const place = repository ? '' : " in deepend's repository";
    const sentences = [
      docs.length > 0 && `Documentation${place}: ${pagesOfDocs.join(', ')}.`,
      repository && `Source: ${link(`packages/${folder}`, `/tree/main/packages/${folder}`)}.`,
      repository && `Problems: ${link('issues', '/issues')}.`,
    ].filter(Boolean);
    const body = sentences.length > 0 ? `${sentences.join(' ')}\n\n` : '';
    return `<!-- links:${docs.length > 0 ? ` ${docs.join(' ')}` : ''} -->\n\n${body}[MIT licence](LICENSE).\n\n<!-- /links -->`;
  });
}

/**
 * Every package.json and README as it should be.
 * @returns {{ file: string, content: string, current: string }[]}
 */
export function sharedFiles(root = ROOT) {
  const packages = listPackages(root);
  const { author, backends, engines } = readJson(path.join(root, 'package.json'));
  const { version } = packages.find(({ name }) => name === 'deepend').manifest;
  const owner = { author, backends, engines, version, repository: readRepository(root) };
  return packages.flatMap((package_) => {
    const json = path.join(package_.dir, 'package.json');
    const readme = path.join(package_.dir, 'README.md');
    const manifest = `${JSON.stringify(withSharedFields(package_, owner), null, 2)}\n`;
    const files = [{ file: json, content: manifest, current: readFileSync(json, 'utf8') }];
    if (!existsSync(readme)) return files;
    const current = readFileSync(readme, 'utf8');
    return [...files, { file: readme, content: withLinks(current, package_, owner), current }];
  });
}

/** The faults that a person has to repair; `--write` repairs everything else. */
export function findFaults(root = ROOT) {
  const packages = listPackages(root);
  const faults = [];
  for (const { folder, dir, manifest } of packages) {
    const file = `packages/${folder}/package.json`;
    const { description = '', keywords = [] } = manifest;
    if (!/^[A-Z].{30,160}[^.]$/.test(description))
      faults.push(
        `${file}: expected a description of one sentence of 30 to 160 characters without its full stop, got ${JSON.stringify(description)}`,
      );
    if (keywords.length < 4)
      faults.push(`${file}: expected at least four keywords, got ${keywords}`);
    const twin = packages.find(
      (other) => other.folder < folder && String(other.manifest.keywords) === String(keywords),
    );
    if (twin) faults.push(`${file}: its keywords are those of packages/${twin.folder}`);
    for (const needed of ['README.md', 'LICENSE'])
      if (!existsSync(path.join(dir, needed))) faults.push(`packages/${folder}: has no ${needed}`);
    const readme =
      existsSync(path.join(dir, 'README.md')) && readFileSync(path.join(dir, 'README.md'), 'utf8');
    if (readme && !LINKS.test(readme))
      faults.push(
        `packages/${folder}/README.md: has no place for its links; end it with <!-- links: PAGE.md -->, a line, <!-- /links -->`,
      );
  }
  return faults;
}

/** @throws Error when npm would publish a package that says nothing of its source */
function checkPublish() {
  requireRepository();
  const {
    npm_config_registry: registry = '',
    npm_config_provenance,
    NPM_CONFIG_PROVENANCE,
  } = process.env;
  const rehearsal = /^https?:\/\/(127\.0\.0\.1|localhost)[:/]/.test(registry);
  if (!rehearsal && (npm_config_provenance ?? NPM_CONFIG_PROVENANCE) !== 'true')
    throw new Error('[release] packages are published with provenance: use npm run release');
}

function main(flag) {
  if (flag === '--publish') return checkPublish();
  const stale = sharedFiles().filter(({ content, current }) => content !== current);
  if (flag === '--write') for (const { file, content } of stale) writeFileSync(file, content);
  else
    for (const { file } of stale)
      console.error(`${path.relative(ROOT, file)} is out of date; run: npm run metadata`);
  const faults = findFaults();
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 || (stale.length > 0 && flag !== '--write') ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) {
  try {
    main(process.argv[2]);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
