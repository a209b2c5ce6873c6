/**
 * `busbar/inversify`: the bus in an inversify container, and handler classes whose methods consume. The only file that knows inversify.
 *
 * Stopping is `RunningHandlers.stop()`: pools first, then the bus. inversify's own deactivations run side by side and know no order, so
 * they are never the shutdown path.
 */
import { type Container, ContainerModule, type Newable } from 'inversify'
import type { Adapter } from '../src/adapter.js'
import type { Duration } from '../src/duration.js'
import { BusError } from '../src/errors.js'
import type { Filter, MessageBus } from '../src/message-bus.js'
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

interface Mark {
  readonly filter: Filter
  readonly options: ConsumeOptions
}

/** By the prototype that has the methods. */
const marks = new WeakMap<object, Map<string | symbol, Mark>>()

/**
 * Marks a method `(message, context) => …` as the handler of a consumer; `runHandlers` starts it. A subclass inherits the mark, and
 * replaces it by marking its own method. Works with TypeScript's `experimentalDecorators` and with standard decorators.
 */
export function Consume(filter: Filter, options: ConsumeOptions) {
  return (target: object, at: string | symbol | ClassMethodDecoratorContext): void => {
    const name = typeof at === 'object' ? at.name : at
    const isStatic = typeof at === 'object' ? at.static : typeof target === 'function'
    if (isStatic || (typeof at === 'object' && at.private))
      throw new BusError('BUS_CONFIG', `[inversify] @Consume on ${String(name)}: mark a method that instances offer`)
    if (typeof at !== 'object') return mark(target, name, { filter, options })
    // A standard decorator learns of the class from its first instance.
    at.addInitializer(function (this: unknown) {
      mark(Object.getPrototypeOf(this), name, { filter, options })
    })
  }
}

function mark(prototype: object, method: string | symbol, as: Mark): void {
  const marked = marks.get(prototype) ?? new Map<string | symbol, Mark>()
  marks.set(prototype, marked.set(method, as))
}

export interface RunningHandlers {
  readonly pools: readonly Pool[]
  /** Closes the bus: pools side by side, then subscriptions, then the connection. Idempotent. Default `within`: `BUSBAR_SHUTDOWN_WITHIN`. */
  stop(options?: { readonly within?: Duration }): Promise<StopReport>
}

/**
 * Resolves the classes and starts a pool for each of their `@Consume` methods. Throws `BUS_CONFIG` when a class has none and `BUS_CONFLICT`
 * when two methods name one consumer. When one cannot start, those already running are stopped and its error is thrown; the bus stays open.
 */
export async function runHandlers(container: Container, classes: readonly Newable<object>[]): Promise<RunningHandlers> {
  const bus = await container.getAsync<MessageBus>(TOKENS.MessageBus)
  const consumptions: Consumption[] = []
  for (const type of new Set(classes)) {
    consumptions.push(...consumptionsOf(type, await container.getAsync<object>(type, { autobind: true })))
  }
  refuseNamesakes(consumptions)
  const pools: Pool[] = []
  try {
    for (const { filter, handle, name, options } of consumptions)
      pools.push(await bus.consume({ ...options, name, filter }, handle, options))
  } catch (thrown) {
    await Promise.allSettled(pools.map((pool) => pool.stop()))
    throw thrown
  }
  return { pools, stop: (options) => bus.close(options) }
}

interface Consumption {
  /** `Class.method`, for error texts. */
  readonly place: string
  readonly name: string
  readonly filter: Filter
  readonly options: Omit<ConsumeOptions, 'name'>
  readonly handle: (message: unknown, context: HandlerContext) => unknown
}

/** One for each marked method of the instance; where a subclass marks a method again, its mark counts. */
function consumptionsOf(type: Newable<object>, instance: object): readonly Consumption[] {
  const found = new Map<string | symbol, Mark>()
  for (let each: unknown = Object.getPrototypeOf(instance); isObject(each); each = Object.getPrototypeOf(each)) {
    for (const [method, as] of marks.get(each) ?? []) if (!found.has(method)) found.set(method, as)
  }
  if (found.size > 0) return [...found].map(([method, as]) => consumption(type, instance, method, as))
  throw new BusError('BUS_CONFIG', `[inversify] ${type.name} has no handler. Mark one of its methods with @Consume`)
}

function consumption(type: Newable<object>, instance: object, method: string | symbol, as: Mark): Consumption {
  const { name, ...options } = as.options
  const place = `${type.name}.${typeof method === 'symbol' ? (method.description ?? 'handler') : method}`
  const handler: unknown = Reflect.get(instance, method)
  if (typeof handler !== 'function')
    throw new BusError('BUS_CONFIG', `[inversify] ${place} is marked with @Consume and is not a method`)
  return {
    place,
    name: name ?? legalName(place),
    filter: as.filter,
    options,
    handle: (message, context) => Reflect.apply(handler, instance, [message, context]),
  }
}

function legalName(place: string): string {
  const name = place.replace('.', '-').replace(/[^A-Za-z0-9_-]/g, '_')
  return name.slice(0, 64)
}

/** Two methods under one name would share its messages by chance. */
function refuseNamesakes(consumptions: readonly Consumption[]): void {
  const places = new Map<string, string>()
  for (const { name, place } of consumptions) {
    const other = places.get(name)
    if (other !== undefined)
      throw new BusError(
        'BUS_CONFLICT',
        `[inversify] ${other} and ${place} are both consumer ${name}. Give one of them a name of its own`,
      )
    places.set(name, place)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
