/** The README's table of backends says what the manifests of the adapters say. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { dual } from '../../adapters/dual/index.js'
import { jetstream } from '../../adapters/jetstream/index.js'
import { memory } from '../../adapters/memory/index.js'
import type { Capabilities } from '../../src/adapter.js'

const DURABILITY = { process: 'this process', stream: 'the stream', ledger: 'the ledger' } as const

const ROWS: Readonly<Record<Exclude<keyof Capabilities, 'durability'>, string>> = {
  survivesRestart: 'survives a restart',
  reconnects: 'finds a lost connection again',
  publishDedup: 'repeated ids are recognised',
  keepsIds: 'an id is taken for as long as its message is kept',
  idConflict: 'a repeated id with other content is refused',
  delayedPublish: 'delayed publish',
  workqueue: 'workqueue retention',
  interest: 'interest retention',
  lastPerSubject: "`from: 'last-per-subject'`",
  originalReplay: "`replay: 'original'`",
  live: 'signals and live subscriptions',
  request: 'request and respond',
  remove: 'discarding and redriving dead letters',
  transactions: "transactions with a handler's own writes",
}

function table(backends: Readonly<Record<string, Capabilities>>): string {
  const all = Object.values(backends)
  const row = (title: string, cells: readonly string[]) => `| ${[title, ...cells].join(' | ')} |`
  const yesNo = Object.keys(ROWS) as (keyof typeof ROWS)[]
  return [
    `| | ${Object.keys(backends)
      .map((name) => `\`${name}\``)
      .join(' | ')} |`,
    `|${'---|'.repeat(all.length + 1)}`,
    row(
      'what an acceptance rests on',
      all.map(({ durability }) => DURABILITY[durability]),
    ),
    ...yesNo.map((name) =>
      row(
        ROWS[name],
        all.map((supports) => (supports[name] ? 'yes' : 'no')),
      ),
    ),
  ].join('\n')
}

it('the README chooses between backends by what their adapters declare', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const inner = jetstream()
  const ledger = dual({ inner, connection: 'postgres://nobody@127.0.0.1/none' })
  expect(readme).toContain(table({ memory: memory().supports, nats: inner.supports, dual: ledger.supports }))
})
