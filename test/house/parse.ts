/** Reads the repository's TypeScript: which files there are and what each imports. Judges nothing. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

export interface Import {
  readonly specifier: string
  /** The file it names, from the root of the repository; undefined for packages and Node.js modules. */
  readonly target: string | undefined
  /** False for what the compiler removes: `import type`, `export type`, `import('…')` as a type. */
  readonly isValue: boolean
  readonly line: number
}

export interface Parsed {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly lines: number
  readonly source: ts.SourceFile
  readonly imports: readonly Import[]
  /** Lines of `import(…)` whose argument is not a plain string. */
  readonly computedImports: readonly number[]
}

const ROOTS = ['src', 'adapters', 'wiring', 'testing', 'test', 'benchmarks', 'examples']

/** Every TypeScript file of the repository. */
export function parseRepository(root: string): readonly Parsed[] {
  const configs = readdirSync(root).filter((name) => name.endsWith('.config.ts'))
  const paths = [...ROOTS.flatMap((folder) => listTypeScript(root, folder)), ...configs]
  return paths.map((each) => parse(each, readFileSync(path.join(root, each), 'utf8')))
}

function listTypeScript(root: string, folder: string): string[] {
  const names = readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => path.posix.join(folder, name.replaceAll('\\', '/')))
}

export function parse(file: string, text: string): Parsed {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const imports: Import[] = []
  const computedImports: number[] = []
  forEachNode(source, (node) => {
    const found = importOf(node)
    if (found === undefined) return
    const line = lineOf(source, node)
    if (found.specifier === undefined) computedImports.push(line)
    else
      imports.push({ specifier: found.specifier, target: resolve(file, found.specifier), isValue: found.isValue, line })
  })
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return { path: file, lines, source, imports, computedImports }
}

export function forEachNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => forEachNode(child, visit))
}

export function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
}

/** A node that makes another module part of this one; its specifier is undefined when it is computed. */
function importOf(node: ts.Node): { specifier: string | undefined; isValue: boolean } | undefined {
  if (ts.isImportDeclaration(node)) {
    // `import { type A }` keeps the module in the output under verbatimModuleSyntax, so only a whole `import type` is erased.
    const isType = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    return { specifier: textOf(node.moduleSpecifier), isValue: !isType }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined)
    return { specifier: textOf(node.moduleSpecifier), isValue: !node.isTypeOnly }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return { specifier: textOf(node.argument.literal), isValue: false }
  if (ts.isCallExpression(node) && isImporting(node.expression))
    return { specifier: textOf(node.arguments[0]), isValue: true }
  return undefined
}

function isImporting(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined
}

function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts')
}
