/**
 * Reads the files of a history, one after the other, line by line. No line is kept: 5 million lines (a million messages and what was said of
 * them) take about 1.2 GB of heap and a minute of one core; Node.js has as much by itself on a machine with 8 GB.
 */
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Line } from './event.js'
import { History } from './history.js'
import { parseLine } from './line.js'

const NEWLINE = 0x0a
const CHUNK_BYTES = 1024 ** 2

/** @param from a folder, for its `.jsonl` files, or the paths of files. Rejects when one cannot be read. */
export async function readHistory(from: string | readonly string[]): Promise<History> {
  const history = new History()
  for (const { name, path } of await filesOf(from)) await readFile(history, name, path)
  return history.seal()
}

/** The same of lines that are there already, each file by its name. */
export function historyOf(files: ReadonlyMap<string, readonly Line[]>): History {
  const history = new History()
  for (const [name, lines] of files) {
    const source = history.source(name)
    for (const [at, line] of lines.entries()) history.take(source, line, at + 1)
  }
  return history.seal()
}

async function filesOf(from: string | readonly string[]): Promise<{ name: string; path: string }[]> {
  if (typeof from !== 'string') return from.map((path) => ({ name: path, path }))
  const names = (await readdir(from)).filter((name) => name.endsWith('.jsonl'))
  return names.toSorted().map((name) => ({ name, path: join(from, name) }))
}

async function readFile(history: History, name: string, path: string): Promise<void> {
  const source = history.source(name)
  let number = 0
  const rest = await eachLine(path, (text) => {
    number++
    const line = parseLine(text)
    if (typeof line === 'string') history.problem(`${name}:${number} ${line}`)
    else history.take(source, line, number)
  })
  // Its process died while it wrote this. A line that lacks nothing but its line break is whole.
  const last = rest === '' ? '' : parseLine(rest)
  if (typeof last !== 'string') history.take(source, last, number + 1)
}

/** @returns what comes after the last line break */
async function eachLine(path: string, take: (text: string) => void): Promise<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      take(bytes.toString('utf8', from, end))
      from = end + 1
    }
    rest = bytes.subarray(from)
  }
  return rest.toString('utf8')
}
