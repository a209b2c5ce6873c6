/** What a single file may look like: its length, the length of its functions, its names, and the parts of the language it leaves alone. */
import ts from 'typescript'
import { forEachNode, lineOf, type Parsed } from './parse.js'
import type { Rule } from './rules.js'

const FILE_LINES = 300
/** A client library's quirks take room. */
const NETWORK_FILE_LINES = 350
const FUNCTION_LINES = 60
/** Words that say nothing about what a thing is. */
const EMPTY_WORDS = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'service', 'impl', 'base'])

export const filesAreShort: Rule = (files) =>
  files
    .filter(({ path, lines }) => lines > (path.startsWith('adapters/jetstream/') ? NETWORK_FILE_LINES : FILE_LINES))
    .map(({ path, lines }) => `${path} has ${lines} lines`)

/** A `describe` block is a chapter, not a function. */
export const functionsAreShort: Rule = (files) =>
  eachNode(files, (node, source) => {
    if (!ts.isFunctionLike(node) || isDescribed(node)) return undefined
    const length = source.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - lineOf(source, node)
    return length > FUNCTION_LINES ? `a function of ${length} lines` : undefined
  })

/** Types, classes, functions, and the files and folders that hold them. */
export const namesSaySomething: Rule = (files) => [
  ...files.filter(({ path }) => path.split(/[/.-]/).some(isEmptyWord)).map(({ path }) => `${path} is named so`),
  ...eachNode(files, (node) => {
    const name = declaredName(node)
    return name?.split(/(?=[A-Z])/).some(isEmptyWord) ? `${name} is named so` : undefined
  }),
]

/** "A topic of anything" must accept every topic, whatever its variance, and the language has no other word for that. */
const ANY_IN = { path: 'src/topic.ts', type: 'AnyTopic' }

/** Tools read their configuration from a default export. */
export const noDefaultExports: Rule = (files) =>
  eachNode(
    files.filter(({ path }) => !path.endsWith('.config.ts')),
    (node) => (isDefaultExport(node) ? 'default export' : undefined),
  )

export const noAny: Rule = (files) =>
  eachNode(files, (node) => (node.kind === ts.SyntaxKind.AnyKeyword && !isAllowedAny(node) ? 'any' : undefined))

export const noNonNull: Rule = (files) =>
  eachNode(files, (node) => (ts.isNonNullExpression(node) ? 'non-null assertion' : undefined))

export const noEnums: Rule = (files) => eachNode(files, (node) => (ts.isEnumDeclaration(node) ? 'enum' : undefined))

/** One or two sentences: what the file owns, what it does not. */
export const filesOpenWithAComment: Rule = (files) =>
  files
    .filter(({ source }) => !/^(#!.*\n)?\/\*\*/.test(source.text))
    .map(({ path }) => `${path} opens without a comment`)

function eachNode(files: readonly Parsed[], problemOf: (node: ts.Node, source: ts.SourceFile) => string | undefined) {
  const found: string[] = []
  for (const { path, source } of files) {
    forEachNode(source, (node) => {
      const problem = problemOf(node, source)
      if (problem !== undefined) found.push(`${path}:${lineOf(source, node)} ${problem}`)
    })
  }
  return found
}

function isDescribed(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText())
}

function declaredName(node: ts.Node): string | undefined {
  const isNamed =
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isFunctionDeclaration(node)
  return isNamed ? node.name?.text : undefined
}

function isAllowedAny(node: ts.Node): boolean {
  const alias = ts.findAncestor(node, ts.isTypeAliasDeclaration)
  return node.getSourceFile().fileName === ANY_IN.path && alias?.name.text === ANY_IN.type
}

function isEmptyWord(word: string): boolean {
  return EMPTY_WORDS.has(word.toLowerCase())
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true
  if (ts.isExportSpecifier(node)) return node.name.text === 'default'
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
  )
}
