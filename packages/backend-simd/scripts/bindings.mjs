/**
 * Writes TypeScript for what assembly/ declares, so that both sides of the WebAssembly boundary
 * read one declaration:
 *
 * - every exported `@unmanaged` class becomes an interface of its fields and a `Layout`, which
 *   writes such an object into the module's memory;
 * - every exported integer constant of a file becomes a member of an object named after the file;
 * - the `switch` in tasks.ts becomes a table from a task to the layout of its arguments.
 */
import ts from 'typescript';

/** 32-bit words that one field of each type takes. */
const WORDS = { i32: 1, u32: 1, usize: 1, f32: 1, f64: 2 };

const PREAMBLE = `
/** The module's memory as 32-bit words. Both arrays begin at the same byte. */
export interface Memory32 {
  readonly words: Int32Array;
  readonly floats: Float32Array;
}

/** How an object lies in the module's memory. */
export interface Layout<T> {
  /** Number of 32-bit words. */
  readonly size: number;
  /** Writes \`fields\` from the word with index \`at\` on. Integers are taken modulo 2³². */
  write(memory: Memory32, at: number, fields: T): void;
}

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);
function writeDouble(words: Int32Array, at: number, value: number): void {
  double[0] = value;
  words[at] = halves[0] as number;
  words[at + 1] = halves[1] as number;
}
`;

export const parse = (name, text) =>
  ts.createSourceFile(name, text, ts.ScriptTarget.Latest, /* setParentNodes */ true);

export const isExported = (node) =>
  (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);

export const isUnmanaged = (node) =>
  (ts.getDecorators(node) ?? []).some(({ expression }) => expression.getText() === 'unmanaged');

/** A launch has this much room for arguments: from ARGS_START to ARGS_SPARE in threads.ts. */
const MAX_WORDS = 512;

/** Fields of a class in order, with the index of the word at which each begins. */
export function readFields(file, node) {
  let at = 0;
  const fields = node.members.map((member) => {
    const name = member.name.getText();
    const type = member.type?.getText();
    const words = WORDS[type];
    const where = `[backend-simd] ${file}: ${node.name.text}.${name}`;
    if (!words) {
      throw new Error(`${where}: expected one of ${Object.keys(WORDS).join(', ')}, got ${type}`);
    }
    if (at % words) throw new Error(`${where}: an f64 must begin at an even word; move it up`);
    const field = { name, type, at };
    at += words;
    return field;
  });
  if (at > MAX_WORDS) {
    throw new Error(
      `[backend-simd] ${file}: expected at most ${MAX_WORDS} words in ${node.name.text}, got ${at}`,
    );
  }
  return { fields, size: at };
}

function writeField({ name, type, at }) {
  const index = at === 0 ? 'at' : `at + ${at}`;
  if (type === 'f64') return `writeDouble(words, ${index}, fields.${name});`;
  return `${type === 'f32' ? 'floats' : 'words'}[${index}] = fields.${name};`;
}

function printClass(file, node) {
  const name = node.name.text;
  const { fields, size } = readFields(file, node);
  const arrays = ['words', ...(fields.some(({ type }) => type === 'f32') ? ['floats'] : [])];
  return [
    `/** Declared in assembly/${file}. */`,
    `export interface ${name} {`,
    ...fields.map((field) => `  readonly ${field.name}: number; // ${field.type}`),
    '}',
    `export const ${name}: Layout<${name}> = {`,
    `  size: ${size},`,
    `  write({ ${arrays.join(', ')} }, at, fields) {`,
    ...fields.map((field) => `    ${writeField(field)}`),
    '  },',
    '};',
    '',
  ].join('\n');
}

/** `export const NAME: i32 = 123;` → `NAME: 123` */
function readConstants(source) {
  const declarations = source.statements.flatMap((node) =>
    ts.isVariableStatement(node) && isExported(node) ? [...node.declarationList.declarations] : [],
  );
  return declarations.flatMap(({ name, type, initializer }) => {
    const value = Number(initializer?.getText().replaceAll('_', ''));
    return type && WORDS[type.getText()] && Number.isInteger(value)
      ? [`  ${name.getText()}: ${value},`]
      : [];
  });
}

function printConstants(file, source) {
  const members = readConstants(source);
  if (members.length === 0) return '';
  const name = file.replace(/\.ts$/, '').replaceAll('-', '_').toUpperCase();
  const head = `/** Constants of assembly/${file}. */\nexport const ${name} = {`;
  return [head, ...members, '} as const;', ''].join('\n');
}

/** The pairs of `case Task.NAME: return kernel(changetype<CLASS>(args), tile);`. */
export function readTasks(source) {
  const pairs = [];
  const visit = (node) => {
    if (ts.isCaseClause(node)) {
      const [, task] = node.expression.getText().split('.');
      const [, kernel, layout] = /return (\w+)\(\s*changetype<(\w+)>/.exec(node.getText()) ?? [];
      if (!layout) throw new Error(`[backend-simd] tasks.ts: ${task} has no changetype<CLASS>`);
      pairs.push({ task, layout, kernel });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return pairs;
}

function printTasks(source) {
  const pairs = readTasks(source);
  return [
    '/** The arguments of each task, from the table in assembly/tasks.ts. */',
    'export interface TaskArguments {',
    ...pairs.map(({ task, layout }) => `  [Task.${task}]: ${layout};`),
    '}',
    'export const TASK_LAYOUTS: { readonly [T in Task]: Layout<TaskArguments[T]> } = {',
    ...pairs.map(({ task, layout }) => `  [Task.${task}]: ${layout},`),
    '};',
    '',
  ].join('\n');
}

/**
 * The text of src/generated/bindings.ts.
 * @param files name → text of each file in assembly/
 * @throws Error when a field has a type that no `Layout` can write
 */
export function generateBindings(files) {
  const parts = [];
  for (const [file, text] of Object.entries(files)) {
    const source = parse(file, text);
    parts.push(printConstants(file, source));
    const classes = source.statements.filter((node) => ts.isClassDeclaration(node));
    for (const node of classes) {
      if (isExported(node) && isUnmanaged(node)) parts.push(printClass(file, node));
    }
  }
  const tasks = files['tasks.ts'];
  if (tasks) parts.push(printTasks(parse('tasks.ts', tasks)));
  const imports = tasks ? "import { Task } from '../../assembly/ops';\n" : '';
  return `${imports}${PREAMBLE}\n${parts.filter(Boolean).join('\n')}`;
}
