/** Finds the code that documentation shows: fenced blocks of Markdown, and the examples of public docstrings. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

/** One fenced block. */
export interface CodeBlock {
  /** File and line of its first line of code: `docs/data.md:12`. */
  readonly place: string;
  readonly language: string;
  readonly code: string;
  /** Why it is not run, as a comment in front of it says. */
  readonly notRun?: string;
}

export const root = new URL('../../', import.meta.url).pathname;

/** Markdown files that a reader is led to. */
export const documents = (): string[] => [
  'README.md',
  'CONTRIBUTING.md',
  ...(readdirSync(join(root, 'docs'), { recursive: true }) as string[])
    .filter((path) => path.endsWith('.md') && !path.startsWith('api'))
    .map((path) => join('docs', path))
    .sort(),
];

/** Blocks of a text, with what stands in the line before each. */
function blocksOf(text: string, file: string, firstLine = 1): CodeBlock[] {
  const lines = text.split('\n');
  const blocks: CodeBlock[] = [];
  for (let start = 0; start < lines.length; start++) {
    const language = /^```(\w*)/.exec(lines[start]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', start + 1);
    const before = lines.slice(0, start).findLast((line) => line.trim() !== '') ?? '';
    const notRun = /^<!-- not run: (.+) -->$/.exec(before)?.[1];
    const code = lines.slice(start + 1, end).join('\n');
    blocks.push({ place: `${file}:${firstLine + start + 1}`, language, code, ...(notRun === undefined ? {} : { notRun }) });
    start = end;
  }
  return blocks;
}

/** Every block of every document. */
export const documentBlocks = (): CodeBlock[] => documents().flatMap((file) => blocksOf(readFileSync(join(root, file), 'utf8'), file));

/** The modules that users import. */
function entryFiles(): string[] {
  const plugins = ['backbones', 'sources', 'heads'].flatMap((folder) =>
    readdirSync(join(root, 'src', folder))
      .filter((file) => file.endsWith('.ts') && file !== 'index.ts')
      .map((file) => join('src', folder, file)),
  );
  return ['src/index.ts', 'src/data/index.ts', 'src/testing.ts', 'src/runtimes/node.ts', ...plugins].map((file) => join(root, file));
}

/** The settings of the project's tsconfig.json. */
export function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object };
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

/** A declaration and, for a class or an interface, its public members. */
function withMembers(declaration: ts.Declaration): ts.Node[] {
  const members = ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration) ? [...declaration.members] : [];
  const holder = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return [holder, ...members];
}

function exampleBlocks(node: ts.Node): CodeBlock[] {
  const source = node.getSourceFile();
  const tags = ts.getJSDocTags(node).filter((tag) => tag.tagName.text === 'example');
  return tags.flatMap((tag) => {
    const line = source.getLineAndCharacterOfPosition(tag.pos).line + 1;
    const text = ts.getTextOfJSDocComment(tag.comment) ?? '';
    return blocksOf(text, relative(root, source.fileName), line);
  });
}

/** The examples in docstrings of everything that can be imported from the package. */
export function docstringBlocks(): CodeBlock[] {
  const program = ts.createProgram(entryFiles(), compilerOptions());
  const checker = program.getTypeChecker();
  const nodes = new Set<ts.Node>();
  for (const file of entryFiles()) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!);
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      for (const declaration of symbol.declarations ?? []) withMembers(declaration).forEach((node) => nodes.add(node));
    }
  }
  const blocks = [...nodes].flatMap(exampleBlocks);
  return [...new Map(blocks.map((block) => [block.code, block])).values()];
}

/** What the type checker says of some files, one line an error. */
export function typeErrors(files: readonly { readonly path: string; readonly place: string }[]): string[] {
  const places = new Map(files.map(({ path, place }) => [path, place]));
  const program = ts.createProgram(
    files.map(({ path }) => path),
    compilerOptions(),
  );
  const diagnostics = files.flatMap(({ path }) => {
    const source = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  return diagnostics.map(({ file, start, messageText }) => {
    const line = file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${places.get(file?.fileName ?? '') ?? 'somewhere'}, line ${line} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
