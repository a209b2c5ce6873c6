/** The bus and its handlers in a real inversify container. */
import 'reflect-metadata'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Container, inject, injectable } from 'inversify'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type HandlerContext, type Message, type MessageBus, topic } from '../../src/index.js'
import { VirtualClock } from '../../testing/virtual-clock.js'
import { busModule, Consume, runHandlers, TOKENS } from '../../wiring/container.js'
import { codeOfAsync as codeOf } from '../code-of.js'
import { Gate } from '../gate.js'

const OrderPlaced = topic('orders.{orderId}.placed', { schema: z.object({ total: z.number() }) })
const streams = [{ name: 'orders', subjects: ['orders.>'] }]
const env = { MESSAGE_BUS: 'memory', BUSBAR_LOG: 'silent' }
const opened: Container[] = []

function container(): Container {
  const made = new Container()
  made.load(busModule({ env, streams }))
  opened.push(made)
  return made
}

afterEach(async () => {
  for (const each of opened.splice(0)) await (await each.getAsync<MessageBus>(TOKENS.MessageBus)).close({ within: 0 })
})

@injectable()
class Billing {
  readonly billed: string[] = []

  constructor(@inject(TOKENS.MessageBus) private readonly bus: MessageBus) {}

  @Consume(OrderPlaced, { stream: 'orders', concurrency: 4 })
  async bill(message: Message<{ total: number }, { orderId: string }>, context: HandlerContext): Promise<void> {
    this.billed.push(`${message.params.orderId}:${message.data.total}:${context.attempt}`)
    await this.bus.publish(`orders.${message.params.orderId}.billed`, { total: message.data.total })
  }
}

@injectable()
class Audit {
  readonly seen: string[] = []

  @Consume('orders.*.billed', { stream: 'orders', name: 'audit' })
  note(message: Message): void {
    this.seen.push(message.subject)
  }
}

@injectable()
class Broken {
  @Consume('orders.>', { stream: 'no-such-stream', name: 'broken' })
  handle(): void {}
}

@injectable()
class Idle {}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

describe('the container', () => {
  it('gives one connected bus to everyone who asks', async () => {
    const box = container()
    const [one, two] = await Promise.all([
      box.getAsync<MessageBus>(TOKENS.MessageBus),
      box.getAsync<MessageBus>(TOKENS.MessageBus),
    ])
    expect(one).toBe(two)
    expect((await one.health()).status).toBe('ok')
  })

  it('runs the handlers of injected classes, bound to their instance', async () => {
    const box = container()
    box.bind(Billing).toSelf().inSingletonScope()
    box.bind(Audit).toSelf().inSingletonScope()
    const running = await runHandlers(box, [Billing, Audit])
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    await bus.publish(OrderPlaced.at({ orderId: '42' }), { total: 9 })
    const [billing, audit] = [await box.getAsync(Billing), await box.getAsync(Audit)]
    await until(() => audit.seen.length === 1)
    expect(billing.billed).toEqual(['42:9:1'])
    expect(audit.seen).toEqual(['orders.42.billed'])
    expect(running.pools.map((pool) => pool.consumer)).toEqual(['Billing-bill', 'audit'])
  })

  it('stops pools before the bus: a handler that is running may still publish', async () => {
    const box = container()
    const gate = new Gate()
    const entered = new Gate()
    @injectable()
    class Slow {
      constructor(@inject(TOKENS.MessageBus) private readonly bus: MessageBus) {}
      @Consume('orders.*.placed', { stream: 'orders', name: 'slow' })
      async handle(): Promise<void> {
        entered.open()
        await gate.opened
        await this.bus.publish('orders.1.done', 1)
      }
    }
    const running = await runHandlers(box, [Slow])
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    await bus.publish('orders.1.placed', { total: 1 })
    await entered.opened
    const stopped = running.stop({ within: '5s' })
    gate.open()
    expect(await stopped).toEqual({ finished: 1, released: 0, aborted: 0 })
    expect(await running.stop()).toEqual({ finished: 1, released: 0, aborted: 0 })
    expect((await bus.health()).state).toBe('closed')
    expect(running.pools[0]?.stats()).toMatchObject({ handled: 1, failed: 0 })
  })

  it('stops what it started when a later handler cannot start', async () => {
    const box = container()
    expect(await codeOf(() => runHandlers(box, [Audit, Broken]))).toBe('BUS_NOT_FOUND')
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    expect((await bus.inspect()).pools).toEqual([])
  })

  it('lets a subclass inherit a handler, override it, and mark it anew', async () => {
    class Plain {
      readonly seen: string[] = []
      @Consume('orders.a', { stream: 'orders' })
      kept(message: Message): void {
        this.seen.push(`plain ${message.subject}`)
      }
      @Consume('orders.b', { stream: 'orders' })
      replaced(message: Message): void {
        this.seen.push(`plain ${message.subject}`)
      }
    }
    @injectable()
    class Derived extends Plain {
      override kept(message: Message): void {
        this.seen.push(`derived ${message.subject}`)
      }
      @Consume('orders.c', { stream: 'orders', name: 'anew' })
      override replaced(message: Message): void {
        this.seen.push(`derived ${message.subject}`)
      }
    }
    const box = container()
    box.bind(Derived).toSelf().inSingletonScope()
    const running = await runHandlers(box, [Derived])
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    for (const subject of ['orders.a', 'orders.b', 'orders.c']) await bus.publish(subject, 1)
    await until(() => running.pools.every((pool) => pool.stats().handled === 1))
    await running.stop()
    expect(running.pools.map((pool) => pool.consumer).toSorted()).toEqual(['Derived-kept', 'anew'])
    expect(box.get(Derived).seen.toSorted()).toEqual(['derived orders.a', 'derived orders.c'])
  })

  it('works with standard decorators too', () => {
    const path = (name: string): string =>
      fileURLToPath(new URL(`./fixtures/standard-decorators/${name}`, import.meta.url))
    const child = spawnSync(process.execPath, ['--import', 'tsx', path('main.ts')], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: path('tsconfig.json') },
    })
    expect(child.status, child.stderr).toBe(0)
    expect(JSON.parse(child.stdout)).toEqual({
      consumers: ['StrictAudit-paid', 'StrictAudit-placed'],
      got: ['orders.1.paid', 'orders.1.placed'],
    })
    const typed: (method: (message: Message) => void, context: ClassMethodDecoratorContext) => void = Consume(
      'orders.a',
      { stream: 'orders' },
    )
    expect(typed).toBeTypeOf('function')
  })

  it('starts a class once, however often it is named', async () => {
    const running = await runHandlers(container(), [Audit, Audit])
    expect(running.pools).toHaveLength(1)
  })

  it('refuses two methods under one consumer name before anything starts', async () => {
    const handlers = (): (new () => object) => {
      class Handlers {
        @Consume('orders.a', { stream: 'orders' })
        handle(): void {}
      }
      return injectable()(Handlers) ?? Handlers
    }
    const box = container()
    expect(await codeOf(() => runHandlers(box, [handlers(), handlers()]))).toBe('BUS_CONFLICT')
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    expect((await bus.inspect()).consumers).toEqual([])
  })

  it('refuses to mark a method that instances do not offer', () => {
    const define = (): void => {
      class Odd {
        @Consume('orders.a', { stream: 'orders' })
        static handle(): void {}
        other(): void {}
      }
      new Odd().other()
    }
    expect(() => define()).toThrow(expect.objectContaining({ code: 'BUS_CONFIG' }))
  })

  it('counts a handler once when the bus was closed before the handlers were stopped', async () => {
    const [entered, gate] = [new Gate(), new Gate()]
    @injectable()
    class Slow {
      @Consume('orders.*.placed', { stream: 'orders', name: 'slow' })
      async handle(): Promise<void> {
        entered.open()
        await gate.opened
      }
    }
    const box = container()
    const running = await runHandlers(box, [Slow])
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    await bus.publish('orders.1.placed', 1)
    await entered.opened
    const closed = bus.close()
    gate.open()
    expect(await closed).toEqual({ finished: 1, released: 0, aborted: 0 })
    expect(await running.stop()).toEqual({ finished: 1, released: 0, aborted: 0 })
  })

  it('spends the deadline once, on these handlers and on other consumers of the bus together', async () => {
    const clock = new VirtualClock(Math.random, 0)
    const box = new Container()
    box.load(busModule({ env, streams, clock }))
    opened.push(box)
    const stuck = [new Gate(), new Gate()] as const
    @injectable()
    class Stuck {
      @Consume('orders.a', { stream: 'orders', name: 'stuck' })
      async handle(): Promise<void> {
        stuck[0].open()
        await new Promise(() => {})
      }
    }
    const running = await runHandlers(box, [Stuck])
    const bus = await box.getAsync<MessageBus>(TOKENS.MessageBus)
    await bus.consume({ name: 'other', stream: 'orders' }, async () => {
      stuck[1].open()
      await new Promise(() => {})
    })
    await bus.publish('orders.a', 1)
    await Promise.all(stuck.map((gate) => gate.opened))
    const stopped = running.stop({ within: '5s' })
    await clock.advance(5000)
    expect(await stopped).toEqual({ finished: 0, released: 0, aborted: 2 })
    expect(clock.monotonic()).toBe(5000)
  })

  it('refuses a class without handlers', async () => {
    expect(await codeOf(() => runHandlers(container(), [Idle]))).toBe('BUS_CONFIG')
  })

  it('rejects with every problem of a bad environment', async () => {
    const box = new Container()
    box.load(busModule({ env: { BUSBAR_LOG: 'loud' } }))
    await expect(box.getAsync(TOKENS.MessageBus)).rejects.toMatchObject({
      code: 'BUS_CONFIG',
      problems: [expect.stringContaining('MESSAGE_BUS'), expect.stringContaining('BUSBAR_LOG')],
    })
  })
})
