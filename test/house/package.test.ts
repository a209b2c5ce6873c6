/** What is published: the manifest, the content of the packed tarball, and that each of its doors opens where it is installed. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SLOW_MS = 120_000
const ROOT = process.cwd()
const run = promisify(execFile)
const manifest = JSON.parse(readFileSync('package.json', 'utf8'))

describe('the manifest', () => {
  it('exports the bus, its configuration, the memory adapter, the tests, the container and itself', () => {
    const doors = ['.', './env', './memory', './testing', './inversify', './package.json']
    expect(Object.keys(manifest.exports)).toEqual(expect.arrayContaining(doors))
  })

  it('installs the command busbar', () => {
    expect(manifest.bin).toEqual({ busbar: 'dist/wiring/cli.js' })
  })

  it('is an ES module for Node.js 20.19 and later', () => {
    expect(manifest).toMatchObject({ type: 'module', engines: { node: '>=20.19' }, license: 'MIT' })
  })

  it('runs nothing on the machine that installs it', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']
    expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([])
  })

  it('makes nobody install a client of a backend', () => {
    const clients = Object.keys(manifest.dependencies).filter((name) => name === 'pg' || name.startsWith('@nats-io/'))
    expect(clients).toEqual([])
  })
})

describe('the packed tarball', () => {
  let folder = ''
  let tarball = ''
  let content: readonly string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'busbar-package-'))
    tarball = await pack(folder)
    const { stdout } = await run('tar', ['-tzf', tarball])
    content = stdout.trim().split('\n')
  }, SLOW_MS)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('holds the four built folders, and beside them only what a reader needs', () => {
    const top = content.map((name) =>
      name
        .split('/')
        .slice(1, name.startsWith('package/dist/') ? 3 : 2)
        .join('/'),
    )
    const built = ['dist/adapters', 'dist/src', 'dist/testing', 'dist/wiring']
    const read = ['.env.example', 'ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']
    expect([...new Set(top)].sort()).toEqual([...read, ...built].sort())
  })

  it('holds a module and its types for every source file, and nothing else', () => {
    const sources = ['src', 'adapters', 'testing', 'wiring'].flatMap((floor) =>
      readdirSync(floor, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `package/dist/${floor}/${name.slice(0, -3)}`),
    )
    const built = content.filter((name) => name.startsWith('package/dist/'))
    expect([...built].sort()).toEqual(sources.flatMap((name) => [`${name}.js`, `${name}.d.ts`]).sort())
  })

  it(
    'has nothing that publint objects to',
    async () => {
      const bytes = new Uint8Array(readFileSync(tarball))
      expect((await publint({ pack: { tarball: bytes.buffer }, strict: true })).messages).toEqual([])
    },
    SLOW_MS,
  )

  it(
    'has types that resolve wherever an ES module imports it',
    async () => {
      const { analysis } = JSON.parse(await attw(tarball))
      expect(Object.keys(analysis.entrypoints).sort()).toEqual(Object.keys(manifest.exports).sort())
      expect(analysis.problems.filter(isForEsm)).toEqual([])
    },
    SLOW_MS,
  )

  it(
    'opens the core, the memory adapter and the tests with no other package installed',
    async () => {
      const application = await install(path.join(folder, 'bare'), tarball, [])
      const doors = ['busbar', 'busbar/memory', 'busbar/testing']
      expect(await namesFrom(application, doors)).toEqual([
        expect.arrayContaining(['createBus', 'topic', 'BusError', 'Reject', 'RetryLater']),
        expect.arrayContaining(['memory', 'MemoryBroker']),
        expect.arrayContaining(['adapterSuite', 'TestBus']),
      ])
    },
    SLOW_MS,
  )

  it(
    'opens every door, and answers to its command, beside what its manifest asks for',
    async () => {
      const packages = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
      const application = await install(path.join(folder, 'full'), tarball, packages)
      const doors = Object.keys(manifest.exports).filter((door) => door !== './package.json')
      const names = await namesFrom(
        application,
        doors.map((door) => path.posix.join('busbar', door)),
      )
      expect(names.map((each) => each.length > 0)).toEqual(doors.map(() => true))
      const cli = path.join(application, 'node_modules/busbar', manifest.bin.busbar)
      expect(readFileSync(cli, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
      expect((await run(process.execPath, [cli, '--help'], { cwd: application })).stdout).toContain('busbar')
    },
    SLOW_MS,
  )
})

/** Packs a copy, so that what an earlier build left behind is not in it and tests beside this one are not disturbed. */
async function pack(folder: string): Promise<string> {
  const copy = path.join(ROOT, '.cache', path.basename(folder))
  const leave = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage'])
  try {
    mkdirSync(copy, { recursive: true })
    for (const name of readdirSync(ROOT))
      if (!leave.has(name)) cpSync(path.join(ROOT, name), path.join(copy, name), { recursive: true })
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: copy })
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
  return path.join(folder, `busbar-${manifest.version}.tgz`)
}

/** An application with busbar unpacked as an installation would, and links to the packages it may use. */
async function install(application: string, tarball: string, packages: readonly string[]): Promise<string> {
  const modules = path.join(application, 'node_modules')
  const busbar = path.join(modules, 'busbar')
  mkdirSync(busbar, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', busbar, '--strip-components', '1'])
  for (const name of packages) {
    // A scope is a folder of its own.
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name), 'dir')
  }
  return application
}

/** What each door exports, as a new process sees it. */
async function namesFrom(application: string, doors: readonly string[]): Promise<string[][]> {
  const program = `
    const doors = await Promise.all(process.argv.slice(1).map((door) => import(door)))
    process.stdout.write(JSON.stringify(doors.map((door) => Object.keys(door))))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program, ...doors], { cwd: application })
  return JSON.parse(stdout)
}

/** What arethetypeswrong says of the tarball. It ends with an error when it has found something, and says what all the same. */
async function attw(tarball: string): Promise<string> {
  const program = path.join(ROOT, 'node_modules/.bin/attw')
  const said = (error: { stdout: string }): { stdout: string } => error
  return (await run(program, [tarball, '--profile', 'esm-only', '--format', 'json']).catch(said)).stdout
}

/** Of the ways to resolve a package, those of ES modules; CommonJS and old resolvers are not served. */
function isForEsm(problem: { readonly resolutionKind?: string }): boolean {
  return !['node10', 'node16-cjs'].includes(problem.resolutionKind ?? '')
}
