/** How much memory one run needs: taken in a process that does nothing else, because memory of a shared one belongs to nobody. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Entry, labelOf, messagesOf, type OnTurn, type Plan, type Row } from './rounds.js'
import { addresses, GIVEN } from './servers.js'

/** To the process, as JSON in its first argument. */
export interface Errand {
  /** None: nothing is run. */
  readonly contender?: string
  readonly payloadBytes: number
  readonly messages: number
}

/** From the process. */
export interface Measured {
  readonly residentMb: number
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const PROGRAM = new URL(`./resident-process.${EXTENSION}`, import.meta.url)

/** The rows, each with its memory. */
export async function withResident(
  entries: readonly Entry[],
  rows: readonly Row[],
  plan: Plan,
  onTurn: OnTurn,
): Promise<Row[]> {
  const measured = new Map<string, number>()
  for (const [at, entry] of entries.entries()) {
    onTurn(at, entries.length, `memory, ${labelOf(entry)}`)
    const { contender, payloadBytes } = entry
    const errand = { contender: contender.name, payloadBytes, messages: messagesOf(entry, plan) }
    measured.set(labelOf(entry), await residentMb(errand))
  }
  onTurn(entries.length, entries.length, '')
  return rows.map((row) => {
    const mb = measured.get(row.contender)
    return mb === undefined ? row : { ...row, residentMb: mb }
  })
}

/** Of a process that has loaded every contender and runs none. */
export function idleMb(): Promise<number> {
  return residentMb({ payloadBytes: 256, messages: 0 })
}

async function residentMb(errand: Errand): Promise<number> {
  const env = { ...process.env, [GIVEN]: JSON.stringify(await addresses()) }
  const child = fork(PROGRAM, [JSON.stringify(errand)], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let measured: Measured | undefined
  child.once('message', (message: Measured) => {
    measured = message
  })
  await once(child, 'exit')
  if (measured === undefined) throw new Error(`the process that measures the memory of ${errand.contender} failed`)
  return measured.residentMb
}
