/**
 * The public options and callbacks, and which of them an editor shows without a description:
 *
 *   node test/package/docstrings.mjs
 */
import path from 'node:path';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** What deepend passes or returns, and what a class of the user's own may implement. */
const OTHERS = /^(Callback|CallbackState|RunInfo|RunControl|TrainResult|Device|Loader)$/;
const INTERFACES = new RegExp(`Options$|${OTHERS.source}`);

/**
 * @typedef {{ name: string, place: string, isDescribed: boolean, hasExample: boolean,
 *   hasDefault: boolean, isOptional: boolean, isOption: boolean }} Property
 * @returns {Property[]} each property of each object of options that a public function takes, and
 *   of the interfaces of callbacks
 */
export function listProperties() {
  const config = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const entry = path.join(ROOT, 'packages/deepend/src/index.ts');
  const program = ts.createProgram([entry], { ...options, incremental: false, noCheck: true });
  const checker = program.getTypeChecker();
  const found = new Map();

  const visitType = (type, owner) => {
    if (type.isUnionOrIntersection()) {
      for (const part of type.types) visitType(part, owner);
      return;
    }
    if (type.getCallSignatures().length > 0 || checker.isArrayLikeType(type)) return;
    for (const property of type.getProperties()) {
      const [declaration] = property.declarations ?? [];
      if (declaration && isOwn(declaration)) found.set(declaration, { owner, property });
    }
  };
  const visit = (symbol, name) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    if (target.flags & ts.SymbolFlags.ValueModule) {
      for (const member of checker.getExportsOfModule(target))
        visit(member, `${name}.${member.name}`);
      return;
    }
    if (target.flags & ts.SymbolFlags.Interface && INTERFACES.test(target.name))
      visitType(checker.getDeclaredTypeOfSymbol(target), target.name);
    if (!(target.flags & ts.SymbolFlags.Value)) return;
    const type = checker.getTypeOfSymbol(target);
    const signatures = [...type.getCallSignatures(), ...type.getConstructSignatures()];
    for (const parameter of signatures.flatMap((signature) => signature.parameters)) {
      const given = checker.getNonNullableType(checker.getTypeOfSymbol(parameter));
      const { name: typeName = '' } = given.aliasSymbol ?? given.symbol ?? {};
      const isInline = typeName === '__type' || given.isIntersection();
      if (isInline || /Options$/.test(typeName)) visitType(given, isInline ? name : typeName);
    }
  };
  for (const symbol of checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(entry)),
  ))
    visit(symbol, symbol.name);

  return [...found].map(([declaration, { owner, property }]) => {
    const file = declaration.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart());
    const tags = property.getJsDocTags(checker).map((tag) => tag.name);
    const { inParameters, afterIt, withExample } = parameterOf(declaration, property.name);
    return {
      name: `${owner}.${property.name}`,
      place: `${path.relative(ROOT, file.fileName)}:${line + 1}`,
      isDescribed:
        ts.displayPartsToString(property.getDocumentationComment(checker)).trim() !== '' ||
        tags.includes('default') ||
        inParameters,
      hasExample: tags.includes('example') || withExample,
      hasDefault: tags.includes('default') || /@default/.test(afterIt),
      isOption: !OTHERS.test(owner),
      isOptional: (property.flags & ts.SymbolFlags.Optional) !== 0,
    };
  });
}

const isOwn = (declaration) =>
  /packages\/[^/]+\/src\//.test(declaration.getSourceFile().fileName) &&
  (ts.isPropertySignature(declaration) || ts.isMethodSignature(declaration));

/**
 * Whether the function of an option says `@param options.name`, or `@param name`, the comment after
 * that up to the next tag (`@default` is part of it), and whether the function has an example.
 */
function parameterOf(declaration, name) {
  const owner = ts.findAncestor(
    declaration,
    (node) => ts.isFunctionLike(node) || ts.isVariableStatement(node),
  );
  const comments = owner ? ts.getJSDocCommentsAndTags(owner).map((node) => node.getText()) : [];
  const tag = new RegExp(`@param (?:\\w+\\.)?${name}\\b((?:@default|[^@])*)`);
  const found = comments.map((text) => tag.exec(text)).find(Boolean);
  const inParameters = found !== undefined;
  const withExample = inParameters && comments.some((text) => /@example/.test(text));
  return { inParameters, afterIt: found?.[1] ?? '', withExample };
}

if (process.argv[1] === import.meta.filename)
  for (const { name, place, isDescribed } of listProperties())
    if (!isDescribed) console.log(`${place} ${name}`);
