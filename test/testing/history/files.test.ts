/** Files of a history: written by processes that may be killed, read whole or not at all; and that the checker stands alone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { check, HistoryFile, readHistory } from '../../../testing/history/index.js'
import { parse } from '../../house/parse.js'
import { linesOf, simulate } from './simulation.js'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'history-'))
})
afterEach(() => rm(folder, { recursive: true }))

const CONTENT = { topic: 't', hash: 'h', hdr_hash: 'hh' }
const invoke = (op: string) => ({ ev: 'pub.invoke', op, id: op, bytes: 1, timeout_ms: 1000, ...CONTENT }) as const

async function writeClean(): Promise<void> {
  for (const [name, lines] of linesOf(simulate(3)))
    await writeFile(join(folder, `${name}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

describe('reading', () => {
  it('a folder gives a history that can be judged', async () => {
    await writeClean()
    const report = check(await readHistory(folder))
    expect(report).toMatchObject({ verdict: 'pass', run: 'simulated', figures: { files: 9 } })
    const names = (await readdir(folder)).map((name) => join(folder, name))
    expect(check(await readHistory(names)).verdict).toBe('pass')
  })

  it('a last line that was torn drops it', async () => {
    await writeClean()
    await appendFile(join(folder, 'w2.31.jsonl'), '{"v":1,"run":"simulated","proc":"w2","ev":"h.eff')
    expect(check(await readHistory(folder)).verdict).toBe('pass')
  })

  it('a last line that lacks only its line break keeps it', async () => {
    await writeClean()
    const path = join(folder, 'p1.11.jsonl')
    await truncate(path, (await readFile(path)).length - 1)
    expect(check(await readHistory(folder))).toMatchObject({ verdict: 'pass', figures: { killed: 2 } })
  })

  it.each([
    ['that is not JSON', 'garbage'],
    ['of another version', '{"v":2}'],
    ['with an event that is not known', '{"v":1,"ev":"h.begin"}'],
    ['with a field of another type', '{"v":1,"ev":"close","run":1}'],
  ])('a whole line %s makes the history void', async (_, line) => {
    await writeClean()
    await appendFile(join(folder, 'w2.31.jsonl'), `${line}\n`)
    const { verdict, voidBecause } = check(await readHistory(folder))
    expect([verdict, voidBecause.length]).toEqual(['void', 1])
    expect(voidBecause[0]).toMatch(/^w2\.31\.jsonl:\d+ /)
  })

  it('a file that is not there fails', async () => {
    await expect(readHistory([join(folder, 'nothing.jsonl')])).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('recording', () => {
  const path = () => join(folder, 'p.jsonl')
  const linesThere = async () =>
    (await readFile(path(), 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))

  it('stamps each line, and counts them', async () => {
    const history = await HistoryFile.open(path(), { run: 'r', proc: 'p' })
    await history.invoke(invoke('1'))
    history.note({ ev: 'pub.ok', op: '1' })
    await history.close()
    const lines = await linesThere()
    expect(lines.map(({ n, ev, run, proc, pid, v }) => [n, ev, run, proc, pid, v])).toEqual(
      ['pub.invoke', 'pub.ok', 'close'].map((ev, at) => [at + 1, ev, 'r', 'p', process.pid, 1]),
    )
    expect(BigInt(lines[1].mono_ns)).toBeGreaterThanOrEqual(BigInt(lines[0].mono_ns))
    const history2 = await readHistory(folder)
    expect(history2.problems).toEqual(['no line says how the run was configured', 'no line says that it came to rest'])
  })

  it('keeps the order of many that begin at once, and has each in the file before it begins', async () => {
    const history = await HistoryFile.open(path(), { run: 'r', proc: 'p' })
    const ops = Array.from({ length: 300 }, (_, at) => `${at}`)
    await Promise.all(ops.map((op) => history.invoke(invoke(op)).then(() => history.note({ ev: 'pub.ok', op }))))
    const lines = await linesThere()
    expect(lines.map(({ n }) => n)).toEqual(lines.map((_, at) => at + 1))
    for (const op of ops) {
      const events = lines.filter((line) => line.op === op).map(({ ev }) => ev)
      expect(events).toEqual(['pub.invoke', 'pub.ok'])
    }
    await history.close()
  })

  it('does not go on in a file that is there, nor after it was closed', async () => {
    const history = await HistoryFile.open(path(), { run: 'r', proc: 'p' })
    await expect(HistoryFile.open(path(), { run: 'r', proc: 'p' })).rejects.toMatchObject({ code: 'EEXIST' })
    await history.close()
    await history.close()
    expect(() => history.note({ ev: 'heal' })).toThrow(/after the file was closed/)
    expect(await linesThere()).toHaveLength(1)
  })

  it('loses no line when its process is killed right after it', async () => {
    const script = fileURLToPath(new URL('killed-writer.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', script, path()], { stdio: 'inherit' })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    expect((await linesThere()).map(({ op }) => op)).toEqual(Array.from({ length: 500 }, (_, at) => `${at}`))
  })
})

it('the checker imports nothing but itself and Node.js', async () => {
  const root = fileURLToPath(new URL('../../../testing/history/', import.meta.url))
  const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(20)
  for (const name of files) {
    const path = `testing/history/${name}`
    const { imports, computedImports } = parse(path, await readFile(join(root, name), 'utf8'))
    const foreign = imports.filter(
      ({ specifier, target }) => !/^node:/.test(specifier) && !target?.startsWith('testing/history/'),
    )
    expect([path, foreign, computedImports]).toEqual([path, [], []])
  }
})
