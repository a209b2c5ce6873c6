/**
 * The quick start of the README: publish, consume, retry. Runs with no server; `MESSAGE_BUS=nats` changes nothing but the backend.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { topic } from '../src/index.js' // busbar
import { busFromEnv } from '../wiring/env.js' // busbar/env

const OrderPlaced = topic('orders.{orderId}.placed', { schema: z.object({ total: z.number() }) })
const streams = [{ name: 'orders', subjects: ['orders.>'] }]
await using bus = await busFromEnv({ MESSAGE_BUS: 'memory', ...process.env }, { streams })

const pool = await bus.consume({ name: 'billing', stream: 'orders', filter: OrderPlaced }, (message, { attempt }) => {
  if (attempt === 1) throw new Error('the bank does not answer') // tried again, after a second
  console.log(`order ${message.params.orderId}: billed ${message.data.total} at attempt ${attempt}`)
})

await bus.publish(OrderPlaced.at({ orderId: '42' }), { total: 9 })
while (pool.stats().handled === 0) await wait(10)
