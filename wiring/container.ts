/**
 * `busbar/inversify`: the bus in an inversify container, and handler classes whose methods consume. The only file that knows inversify.
 *
 * Stopping is `RunningHandlers.stop()`: pools first, then the bus. inversify's own deactivations run side by side and know no order, so
 * they are never the shutdown path.
 */
import { type Container, ContainerModule, type Newable } from 'inversify'
import type { Adapter } from '../src/adapter.js'
import { type Duration, durationMs } from '../src/duration.js'
import { BusError } from '../src/errors.js'
import type { Filter, MessageBus } from '../src/message-bus.js'
import { mergeReports } from '../src/stop-report.js'
import type { ConsumerSettings } from '../src/topology.js'
import type { HandlerContext, Pool, PoolOptions, StopReport } from '../src/worker-pool-options.js'
import { type Config, type Environment, parseConfig } from './config.js'
import { createAdapter, type EnvOptions, openBus } from './env.js'

export const TOKENS = {
  Config: Symbol.for('busbar.Config'),
  Adapter: Symbol.for('busbar.Adapter'),
  MessageBus: Symbol.for('busbar.MessageBus'),
} as const

export interface BusModuleOptions extends EnvOptions {
  /** Usually `process.env`. */
  readonly env: Environment
}

/**
 * Binds `TOKENS.Config`, `TOKENS.Adapter` and `TOKENS.MessageBus`, each a singleton made when it is first asked for. The bus is connected, so
 * it and what depends on it are resolved with `getAsync`. A bad environment rejects that call with a `ConfigError`.
 */
export function busModule(options: BusModuleOptions): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind<Config>(TOKENS.Config)
      .toDynamicValue(() => parseConfig(options.env))
      .inSingletonScope()
    bind<Adapter>(TOKENS.Adapter)
      .toDynamicValue((context) => createAdapter(context.get<Config>(TOKENS.Config)))
      .inSingletonScope()
    bind<MessageBus>(TOKENS.MessageBus)
      .toDynamicValue(async (context) => {
        const adapter = await context.getAsync<Adapter>(TOKENS.Adapter)
        return openBus(context.get<Config>(TOKENS.Config), options, adapter)
      })
      .inSingletonScope()
  })
}

export interface ConsumeOptions extends Omit<ConsumerSettings, 'name'>, PoolOptions {
  /** Durable name of the consumer. Default `<Class>-<method>`: renaming either then starts a new consumer. */
  readonly name?: string
}

interface Consumption {
  readonly method: string | symbol
  readonly filter: Filter
  readonly options: ConsumeOptions
}

const consumptions = new WeakMap<object, Consumption[]>()

/** Marks a method `(message, context) => …` as the handler of a consumer; `runHandlers` starts it. */
export function Consume(filter: Filter, options: ConsumeOptions) {
  return (prototype: object, method: string | symbol): void => {
    const owner = prototype.constructor
    consumptions.set(owner, [...(consumptions.get(owner) ?? []), { method, filter, options }])
  }
}

export interface RunningHandlers {
  readonly pools: readonly Pool[]
  /** Stops the pools side by side, then closes the bus. Idempotent. Default `within`: `BUSBAR_SHUTDOWN_WITHIN`. */
  stop(options?: { readonly within?: Duration }): Promise<StopReport>
}

/**
 * Resolves the classes and starts a pool for each of their `@Consume` methods. When one cannot start, those already running are stopped and
 * its error is thrown; the bus stays open.
 */
export async function runHandlers(container: Container, classes: readonly Newable<object>[]): Promise<RunningHandlers> {
  const bus = await container.getAsync<MessageBus>(TOKENS.MessageBus)
  const { shutdownWithinMs } = container.get<Config>(TOKENS.Config)
  const pools: Pool[] = []
  try {
    for (const type of classes) {
      const found = consumptionsOf(type)
      const handlers = await container.getAsync<object>(type, { autobind: true })
      for (const consumption of found) pools.push(await start(bus, type, handlers, consumption))
    }
  } catch (thrown) {
    await Promise.all(pools.map((pool) => pool.stop()))
    throw thrown
  }
  let stopping: Promise<StopReport> | undefined
  return {
    pools,
    stop: async ({ within } = {}) => {
      stopping ??= stopInOrder(bus, pools, within === undefined ? shutdownWithinMs : durationMs('within', within))
      return stopping
    },
  }
}

/** The `@Consume` methods of a class and of those it extends. */
function consumptionsOf(type: Newable<object>): readonly Consumption[] {
  const found: Consumption[] = []
  for (let each: unknown = type; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    found.push(...(consumptions.get(each) ?? []))
  }
  if (found.length > 0) return found
  throw new BusError('BUS_CONFIG', `[inversify] ${type.name} has no handler. Mark one of its methods with @Consume`)
}

function start(
  bus: MessageBus,
  type: Newable<object>,
  handlers: object,
  { method, filter, options }: Consumption,
): Promise<Pool> {
  const handler: unknown = Reflect.get(handlers, method)
  if (typeof handler !== 'function') {
    throw new BusError(
      'BUS_CONFIG',
      `[inversify] ${type.name}.${String(method)} is marked with @Consume and is not a method`,
    )
  }
  const { name = defaultName(type, method), ...rest } = options
  const handle = (message: unknown, context: HandlerContext): unknown =>
    Reflect.apply(handler, handlers, [message, context])
  return bus.consume({ ...rest, name, filter }, handle, rest)
}

function defaultName(type: Newable<object>, method: string | symbol): string {
  const name = typeof method === 'symbol' ? (method.description ?? 'handler') : method
  return `${type.name}-${name}`.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)
}

async function stopInOrder(bus: MessageBus, pools: readonly Pool[], withinMs: number): Promise<StopReport> {
  const reports = await Promise.all(pools.map((pool) => pool.stop({ within: withinMs })))
  return mergeReports([...reports, await bus.close({ within: withinMs })])
}
