/**
 * A small application on inversify: two handler classes, the bus in the container, one ordered stop. Runs with no server, until its
 * orders are shipped or it is told to end.
 */
import 'reflect-metadata'
import { setTimeout as wait } from 'node:timers/promises'
import { Container } from 'inversify'
import type { MessageBus } from '../../src/index.js' // busbar
import { busModule, runHandlers, TOKENS } from '../../wiring/container.js' // busbar/inversify
import { Billing } from './billing.js'
import { OrderPlaced, streams } from './orders.js'
import { Shipping, Warehouse } from './shipping.js'

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort())

const container = new Container()
container.load(busModule({ env: { MESSAGE_BUS: 'memory', ...process.env }, streams }))
container.bind(Warehouse).toSelf().inSingletonScope()
const handlers = await runHandlers(container, [Billing, Shipping])

const bus = await container.getAsync<MessageBus>(TOKENS.MessageBus)
const orders = { tea: 12, table: 340, lamp: 55 }
for (const [orderId, total] of Object.entries(orders)) await bus.publish(OrderPlaced.at({ orderId }), { total })

const { shipped } = container.get(Warehouse)
while (shipped.length < Object.keys(orders).length && !ending.signal.aborted) await wait(10)

const { finished, released, aborted } = await handlers.stop({ within: '5s' })
console.log(`stopped: ${finished} finished, ${released} handed back, ${aborted} aborted; ${shipped.length} shipped`)
