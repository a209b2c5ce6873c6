/** The house rules hold in every file of the repository, and each rule finds what it is there to find. */
import { describe, expect, it } from 'vitest'
import * as budgets from './budgets.js'
import { parse, parseRepository } from './parse.js'
import * as rules from './rules.js'

const files = parseRepository(process.cwd())

type Sources = Readonly<Record<string, string>>

interface House {
  readonly title: string
  readonly rule: rules.Rule
  /** Small bad samples, each with what the rule must say of it. */
  readonly bad: readonly (readonly [finding: string, sources: Sources])[]
  /** What the rule must let pass. */
  readonly good: Sources
}

function judge(rule: rules.Rule, sources: Sources): readonly string[] {
  return rule(Object.entries(sources).map(([path, text]) => parse(path, text)))
}

const IMPORTS: readonly House[] = [
  {
    title: 'imports run from wiring and testing to adapters to src, and never back',
    rule: rules.importsRunDown,
    bad: [
      ['src/a.ts:1 imports adapters/memory/index.ts', { 'src/a.ts': "import '../adapters/memory/index.js'" }],
      ['src/a.ts:1 imports testing/index.ts', { 'src/a.ts': "export * from '../testing/index.js'" }],
      ['src/a.ts:2 imports wiring/env.ts', { 'src/a.ts': "\nconst env = await import('../wiring/env.js')" }],
      [
        'adapters/x/a.ts:1 imports wiring/env.ts',
        { 'adapters/x/a.ts': "import type { A } from '../../wiring/env.js'" },
      ],
      ['adapters/x/a.ts:1 imports test/a.ts', { 'adapters/x/a.ts': "let a: import('../../test/a.js').A" }],
      ['testing/a.ts:1 imports wiring/env.ts', { 'testing/a.ts': "import '../wiring/env.js'" }],
      ['wiring/a.ts:1 imports testing/index.ts', { 'wiring/a.ts': "import '../testing/index.js'" }],
    ],
    good: {
      'wiring/env.ts': "import '../adapters/index.js'\nimport '../src/bus.js'",
      'test/a.ts': "import '../wiring/env.js'",
    },
  },
  {
    title: 'no modules load each other in a circle',
    rule: rules.noCycles,
    bad: [
      [
        'src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts',
        {
          'src/a.ts': "import './b.js'",
          'src/b.ts': "export * from './c.js'",
          'src/c.ts': "import { type A } from './a.js'",
        },
      ],
      ['src/a.ts -> src/a.ts', { 'src/a.ts': "await import('./a.js')" }],
    ],
    good: { 'src/a.ts': "import './b.js'", 'src/b.ts': "import type { A } from './a.js'" },
  },
  {
    title: 'no adapter imports another adapter',
    rule: rules.adaptersKeepApart,
    bad: [
      ['adapters/dual/a.ts:1 imports adapters/memory/a.ts', { 'adapters/dual/a.ts': "import '../memory/a.js'" }],
      ['adapters/dual/a.ts:1 imports adapters/index.ts', { 'adapters/dual/a.ts': "import '../index.js'" }],
    ],
    good: { 'adapters/index.ts': "await import('./memory/index.js')", 'adapters/dual/a.ts': "import './sql/b.js'" },
  },
  {
    title: 'adapters know the port and what it is made of, and never the bus',
    rule: rules.adaptersKnowThePort,
    bad: [
      ['adapters/x/a.ts:1 imports src/bus.ts', { 'adapters/x/a.ts': "import '../../src/bus.js'" }],
      ['adapters/x/a.ts:1 imports src/retry.ts', { 'adapters/x/a.ts': "import type { A } from '../../src/retry.js'" }],
    ],
    good: { 'adapters/x/a.ts': "import '../../src/adapter.js'", 'wiring/a.ts': "import '../src/bus.js'" },
  },
  {
    title: 'inside wiring, the CLI and the container import env, and env imports config',
    rule: rules.wiringRunsDown,
    bad: [
      ['wiring/config.ts:1 imports wiring/env.ts', { 'wiring/config.ts': "import './env.js'" }],
      ['wiring/env.ts:1 imports wiring/container.ts', { 'wiring/env.ts': "import './container.js'" }],
      ['wiring/container.ts:1 imports wiring/cli/run.ts', { 'wiring/container.ts': "import './cli/run.js'" }],
    ],
    good: { 'wiring/cli.ts': "import './env.js'\nimport './cli/run.js'", 'wiring/env.ts': "import './config.js'" },
  },
  {
    title: 'each package is imported in its one place, and none by src, testing or the memory adapter',
    rule: rules.packagesStayInPlace,
    bad: [
      ['src/a.ts:1 imports package zod', { 'src/a.ts': "import { z } from 'zod'" }],
      ['src/a.ts:1 imports package uuid', { 'src/a.ts': "import type { V7 } from 'uuid'" }],
      ['adapters/memory/a.ts:1 imports package pg', { 'adapters/memory/a.ts': "await import('pg')" }],
      [
        'adapters/dual/a.ts:1 imports package @nats-io/jetstream',
        { 'adapters/dual/a.ts': "import '@nats-io/jetstream'" },
      ],
      ['adapters/jetstream/a.ts:1 imports package pg', { 'adapters/jetstream/a.ts': "import 'pg'" }],
      ['wiring/env.ts:1 imports package zod/v4', { 'wiring/env.ts': "import { z } from 'zod/v4'" }],
      ['wiring/env.ts:1 imports package inversify', { 'wiring/env.ts': "import 'inversify'" }],
      ['wiring/env.ts:1 imports package commander', { 'wiring/env.ts': "import 'commander'" }],
      ['testing/a.ts:1 imports package vitest', { 'testing/a.ts': "import { it } from 'vitest'" }],
    ],
    good: {
      'adapters/jetstream/a.ts': "import '@nats-io/jetstream'",
      'adapters/dual/a.ts': "import 'pg'",
      'wiring/config.ts': "import 'zod'",
      'wiring/container.ts': "import 'inversify'\nimport 'reflect-metadata'",
      'wiring/cli/run.ts': "import 'commander'\nimport 'node:path'",
      'test/a.ts': "import 'vitest'",
    },
  },
  {
    title: 'only the CLI imports a path that it computes',
    rule: rules.importsAreLiteral,
    bad: [['wiring/env.ts:1 imports a computed path', { 'wiring/env.ts': "await import('./' + name)" }]],
    good: { 'wiring/cli/run.ts': 'await import(file)', 'adapters/index.ts': "await import('./memory/index.js')" },
  },
  {
    title: 'only the CLI, examples, benchmarks and tests read the environment of the process',
    rule: rules.environmentIsHandedIn,
    bad: [
      ['wiring/env.ts:1 reads process.env', { 'wiring/env.ts': 'parse(process.env)' }],
      ['src/a.ts:1 reads process.env', { 'src/a.ts': "globalThis.process['env']" }],
      ['src/a.ts:1 imports node:process', { 'src/a.ts': "import { env } from 'node:process'" }],
    ],
    good: { 'wiring/cli.ts': 'process.env', 'src/a.ts': '// process.env\nprocess.pid', 'test/a.ts': 'process.env.CI' },
  },
  {
    title: 'only the CLI, examples, benchmarks and the mutation run print',
    rule: rules.nothingPrints,
    bad: [
      ['src/logger.ts:1 uses console', { 'src/logger.ts': "console.log('x')" }],
      ['test/a.test.ts:1 uses console', { 'test/a.test.ts': 'globalThis.console.error(1)' }],
    ],
    good: { 'wiring/cli.ts': 'console.log(1)', 'examples/a.ts': 'console.log(1)', 'src/a.ts': '// console.log' },
  },
]

const line = (count: number): string => '\n'.repeat(count - 1)

const BUDGETS: readonly House[] = [
  {
    title: 'no file is longer than 300 lines, or 350 in the network adapter',
    rule: budgets.filesAreShort,
    bad: [
      ['src/a.ts has 301 lines', { 'src/a.ts': `${line(301)}a` }],
      ['adapters/jetstream/a.ts has 351 lines', { 'adapters/jetstream/a.ts': `${line(351)}a\n` }],
    ],
    good: { 'src/a.ts': `${line(300)}a\n`, 'adapters/jetstream/a.ts': `${line(350)}a\n` },
  },
  {
    title: 'no function is longer than 60 lines',
    rule: budgets.functionsAreShort,
    bad: [
      ['src/a.ts:1 a function of 61 lines', { 'src/a.ts': `function f() {${line(61)}}` }],
      ['src/a.ts:1 a function of 61 lines', { 'src/a.ts': `const f = () => {${line(61)}}` }],
      ['src/a.ts:2 a function of 61 lines', { 'src/a.ts': `class A {\n  m() {${line(61)}} }` }],
    ],
    good: { 'src/a.ts': `function f() {${line(60)}}`, 'test/a.ts': `describe('a', () => {${line(99)}})` },
  },
  {
    title: 'names say what a thing is',
    rule: budgets.namesSaySomething,
    bad: [
      ['src/utils.ts is named so', { 'src/utils.ts': '' }],
      ['src/common/a.ts is named so', { 'src/common/a.ts': '' }],
      ['src/bus-helpers.ts is named so', { 'src/bus-helpers.ts': '' }],
      ['src/a.ts:1 BusManager is named so', { 'src/a.ts': 'class BusManager {}' }],
      ['src/a.ts:1 ServiceOptions is named so', { 'src/a.ts': 'interface ServiceOptions {}' }],
      ['src/a.ts:1 BusImpl is named so', { 'src/a.ts': 'type BusImpl = object' }],
      ['src/a.ts:1 BaseAdapter is named so', { 'src/a.ts': 'abstract class BaseAdapter {}' }],
    ],
    good: { 'src/database.ts': 'class DatabaseLock {}', 'src/retry.ts': 'const base = 1' },
  },
  {
    title: 'nothing is exported as default',
    rule: budgets.noDefaultExports,
    bad: [
      ['src/a.ts:1 default export', { 'src/a.ts': 'export default class A {}' }],
      ['src/a.ts:1 default export', { 'src/a.ts': 'export default 1' }],
      ['src/a.ts:1 default export', { 'src/a.ts': 'export { a as default }' }],
    ],
    good: { 'vitest.config.ts': 'export default {}', 'src/a.ts': 'export const a = 1' },
  },
  {
    title: 'no type is any',
    rule: budgets.noAny,
    bad: [
      ['src/a.ts:1 any', { 'src/a.ts': 'const a = b as any' }],
      ['src/a.ts:1 any', { 'src/a.ts': 'type AnyTopic = Topic<any>' }],
    ],
    good: { 'src/a.ts': "const any = 'any'", 'src/topic.ts': 'type AnyTopic = Topic<any>' },
  },
  {
    title: 'nothing is asserted to be there',
    rule: budgets.noNonNull,
    bad: [['src/a.ts:1 non-null assertion', { 'src/a.ts': 'a!.b()' }]],
    good: { 'src/a.ts': 'if (!a) b()' },
  },
  {
    title: 'there is no enum',
    rule: budgets.noEnums,
    bad: [['src/a.ts:1 enum', { 'src/a.ts': 'const enum A { B }' }]],
    good: { 'src/a.ts': "type A = 'b'" },
  },
  {
    title: 'every file opens with a comment that says what it owns',
    rule: budgets.filesOpenWithAComment,
    bad: [['src/a.ts opens without a comment', { 'src/a.ts': "import './b.js'\n/** Late. */" }]],
    good: { 'src/a.ts': '/** Owns a. */', 'wiring/cli.ts': '#!/usr/bin/env node\n/** The command line. */' },
  },
]

describe('the repository', () => {
  it('was found', () => {
    expect(files.map(({ path }) => path)).toContain('src/bus.ts')
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(files.length)
  })

  it.each([...IMPORTS, ...BUDGETS])('keeps the rule: $title', ({ rule }) => {
    expect(rule(files)).toEqual([])
  })
})

describe.each([...IMPORTS, ...BUDGETS])('the rule "$title"', ({ rule, bad, good }) => {
  it.each(bad)('finds: %s', (finding, sources) => {
    expect(judge(rule, sources)).toEqual([finding])
  })

  it('lets pass what is allowed', () => {
    expect(judge(rule, good)).toEqual([])
  })
})
