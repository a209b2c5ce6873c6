/** dual(memory) is a durable bus of one process: what its memory held when it was killed comes back from the ledger. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { range, until } from '../../../testing/suite/expect.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'

const SCRIPT = fileURLToPath(new URL('./fixtures/memory-process.ts', import.meta.url))
const MESSAGES = 60

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

it('goes on after a kill -9 where its consumers stood: every message has one effect', async () => {
  const client = new pg.Client(postgres.url)
  await client.connect()
  const effects = async (): Promise<number[]> => {
    const { rows } = await client.query<{ n: number }>('select n from killed.effects order by n')
    return rows.map(({ n }) => n)
  }
  const first = start(MESSAGES)
  await first.says('started', 10)
  await first.kill()
  const before = await effects()
  expect(before.length).toBeGreaterThanOrEqual(9)
  expect(before.length).toBeLessThan(MESSAGES)

  const second = start(0)
  await until(async () => (await effects()).length >= MESSAGES, 'the rest')
  await second.kill()
  expect(await effects()).toEqual(range(1, MESSAGES))
  // Nothing that was settled was handled again.
  expect(second.said.filter((line) => before.some((n) => line === `started ${n}`))).toEqual([])
  await client.end()
}, 90_000)

function start(count: number) {
  const args = ['--import', 'tsx', SCRIPT, postgres.url, 'killed', String(count)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(...text.split('\n')))
  return {
    said,
    says: (beginning: string, times: number) =>
      until(() => said.filter((line) => line.startsWith(beginning)).length >= times, `${times} times "${beginning}"`),
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
