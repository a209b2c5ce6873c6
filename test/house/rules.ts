/** Which way imports run, and who may use what, as rules over parsed files. What a single file may look like is in `budgets.ts`. */
import ts from 'typescript'
import { forEachNode, lineOf, type Parsed } from './parse.js'

/** Says what breaks the rule, one line a finding: `path:line what is wrong`. */
export type Rule = (files: readonly Parsed[]) => string[]

/** What each floor may import; nothing outside the floors. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  src: ['src'],
  adapters: ['adapters', 'src'],
  testing: ['testing', 'adapters', 'src'],
  wiring: ['wiring', 'adapters', 'src'],
}

/** What an adapter may know of the core. Adding a line here is a decision about the port: write an ADR. */
const FOR_ADAPTERS = new Set(
  [
    'adapter',
    'bell',
    'clock',
    'codec',
    'deadlines',
    'dedup-window',
    'due-queue',
    'duration',
    'errors',
    'escape',
    'ledger',
    'logger',
    'message',
    'receipt',
    'redact',
    'subject',
    'subject-index',
    'topology',
  ].map((name) => `src/${name}.ts`),
)

/** The only places of the shipped code that import each package; a package that is not listed has none. */
const PACKAGES: readonly { readonly name: string; readonly places: RegExp }[] = [
  { name: '@nats-io', places: /^adapters\/jetstream\// },
  { name: 'pg', places: /^adapters\/dual\// },
  { name: 'inversify', places: /^wiring\/container\.ts$/ },
  { name: 'reflect-metadata', places: /^wiring\/container\.ts$/ },
  { name: 'zod', places: /^wiring\/config\.ts$/ },
  { name: 'commander', places: /^wiring\/cli[./]/ },
]

/** Inside wiring: cli, container -> env -> config. */
const WIRING: readonly { readonly from: RegExp; readonly never: RegExp }[] = [
  { from: /^wiring\/config\.ts$/, never: /^wiring\// },
  { from: /^wiring\/env\.ts$/, never: /^wiring\/(container\.ts$|cli[./])/ },
  { from: /^wiring\/container\.ts$/, never: /^wiring\/cli[./]/ },
]

const CLI = /^wiring\/cli[./]/
const MAY_READ_ENVIRONMENT = /^(wiring\/cli[./]|examples\/|benchmarks\/|test\/)/
const MAY_PRINT = /^(wiring\/cli[./]|examples\/|benchmarks\/|test\/mutations\/)/

/** Three floors: wiring, testing -> adapters -> src, and never back. */
export const importsRunDown: Rule = (files) =>
  eachImport(files, (file, target) => {
    const allowed = FLOORS[floorOf(file)]
    return allowed !== undefined && !allowed.includes(floorOf(target))
  })

/** Modules that load each other; `import type` leaves no trace at run time and is not counted. */
export const noCycles: Rule = (files) => {
  const edges = new Map(files.map((file) => [file.path, valueTargets(file)]))
  const cycles = new Set<string>()
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    const at = way.indexOf(file)
    if (at >= 0) cycles.add([...way.slice(at), file].join(' -> '))
    if (at >= 0 || done.has(file)) return
    for (const target of edges.get(file) ?? []) visit(target, [...way, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return [...cycles]
}

/** The dual adapter, too, is handed its inner adapter as a value. */
export const adaptersKeepApart: Rule = (files) =>
  eachImport(files, (file, target) => {
    const room = roomOf(file)
    return room !== undefined && floorOf(target) === 'adapters' && roomOf(target) !== room
  })

/** Only the port and what it is made of; never the bus. */
export const adaptersKnowThePort: Rule = (files) =>
  eachImport(files, (file, target) => floorOf(file) === 'adapters' && isCore(target) && !FOR_ADAPTERS.has(target))

export const wiringRunsDown: Rule = (files) =>
  eachImport(files, (file, target) => WIRING.some(({ from, never }) => from.test(file) && never.test(target)))

/** In shipped code. Tests, examples and benchmarks import what they need. */
export const packagesStayInPlace: Rule = (files) =>
  files
    .filter((file) => floorOf(file.path) in FLOORS)
    .flatMap((file) => {
      const foreign = file.imports.filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
      const misplaced = foreign.filter(({ specifier }) => !mayImport(file.path, specifier))
      return misplaced.map(({ specifier, line }) => `${file.path}:${line} imports package ${specifier}`)
    })

/** Only the CLI loads a module that its user names. */
export const importsAreLiteral: Rule = (files) =>
  files
    .filter((file) => floorOf(file.path) in FLOORS && !CLI.test(file.path))
    .flatMap((file) => file.computedImports.map((line) => `${file.path}:${line} imports a computed path`))

export const environmentIsHandedIn: Rule = (files) =>
  files
    .filter((file) => !MAY_READ_ENVIRONMENT.test(file.path))
    .flatMap((file) => [
      ...eachNode(file, isProcessEnv, 'reads process.env'),
      ...file.imports
        .filter(({ specifier }) => /^(node:)?process$/.test(specifier))
        .map(({ line }) => `${file.path}:${line} imports node:process`),
    ])

export const nothingPrints: Rule = (files) =>
  files.filter((file) => !MAY_PRINT.test(file.path)).flatMap((file) => eachNode(file, isConsole, 'uses console'))

function eachImport(files: readonly Parsed[], isWrong: (file: string, target: string) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter(({ target }) => target !== undefined && isWrong(file.path, target))
      .map(({ target, line }) => `${file.path}:${line} imports ${target}`),
  )
}

function eachNode(file: Parsed, isWrong: (node: ts.Node) => boolean, problem: string): string[] {
  const found: string[] = []
  forEachNode(file.source, (node) => {
    if (isWrong(node)) found.push(`${file.path}:${lineOf(file.source, node)} ${problem}`)
  })
  return found
}

function valueTargets(file: Parsed): string[] {
  return file.imports.flatMap(({ isValue, target }) => (isValue && target !== undefined ? [target] : []))
}

function floorOf(file: string): string {
  return file.split('/')[0] ?? ''
}

/** The adapter that a file belongs to; undefined for `adapters/index.ts`, which names them all. */
function roomOf(file: string): string | undefined {
  return /^adapters\/([^/]+)\//.exec(file)?.[1]
}

function isCore(file: string): boolean {
  return floorOf(file) === 'src'
}

function mayImport(file: string, specifier: string): boolean {
  const { places } = PACKAGES.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`)) ?? {}
  return places?.test(file) === true
}

function isProcessEnv(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'env' && isNamed(node.expression, 'process')
  if (!ts.isElementAccessExpression(node)) return false
  return isNamed(node.expression, 'process') && ts.isStringLiteralLike(node.argumentExpression)
}

function isConsole(node: ts.Node): boolean {
  return ts.isPropertyAccessExpression(node) && isNamed(node.expression, 'console')
}

/** `process`, and `globalThis.process` as well. */
function isNamed(node: ts.Expression, name: string): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === name && isNamed(node.expression, 'globalThis')
  return ts.isIdentifier(node) && node.text === name
}
