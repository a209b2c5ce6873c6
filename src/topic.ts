/**
 * A topic is a typed contract for one family of subjects: a template, a schema, a version, and how older versions become this one.
 * It owns naming and validation; it knows no bus and no backend.
 */
import { invalid as invalidOption, optionsOf, wholeNumber } from './duration.js'
import { BusError } from './errors.js'
import type { Logger } from './logger.js'
import { describeIssues, type StandardSchema } from './standard-schema.js'
import { checkPattern, checkSubject, decodeToken, encodeToken } from './subject.js'

/** The parameter names of a template: `'orders.{orderId}.placed'` has `{ orderId: string }`. */
export type TopicParams<Template extends string> = { readonly [Name in ParamNames<Template>]: string }
type ParamNames<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never
type AtArguments<Params> = keyof Params extends never ? [params?: Record<string, never>] : [params: Params]

export interface TopicOptions<Input, Output> {
  /** Standard Schema (zod, valibot, arktype, …), run when publishing and when consuming. */
  readonly schema: StandardSchema<Input, Output>
  /** Whole number from 1, default 1. Travels in the `Busbar-Version` header. */
  readonly version?: number
  /** Step `n` turns data of version `n` into data of version `n + 1`. Applied in order up to `version`. */
  readonly upcasts?: Readonly<Record<number, (data: never) => unknown>>
}

/** A topic with its parameters filled in: what a message is published to. */
export interface Address<Input = unknown> {
  readonly subject: string
  readonly topic: Topic<Input, unknown, unknown>
}

// biome-ignore lint/suspicious/noExplicitAny: only here: "a topic of anything" must accept every topic, whatever its variance
export type AnyTopic = Topic<any, any, any>

export class Topic<Input = unknown, Output = unknown, Params = Readonly<Record<string, string>>> {
  readonly template: string
  /** The template with `*` for each parameter. */
  readonly pattern: string
  readonly version: number
  readonly #schema: StandardSchema<Input, Output>
  readonly #upcasts: ReadonlyMap<number, (data: never) => unknown>
  readonly #tokens: readonly TemplateToken[]
  readonly #warned = new Set<number>()
  /** Only for the compiler: keeps `Params` part of the type. */
  declare readonly params?: Params

  constructor(template: string, options: TopicOptions<Input, Output>) {
    this.#tokens = parseTemplate(template)
    this.template = template
    this.pattern = checkPattern(this.#tokens.map((token) => (token.param === undefined ? token.text : '*')).join('.'))
    this.version = wholeNumber(`topic ${template}: version`, options?.version ?? 1, 1, 1_000_000)
    if (typeof options?.schema?.['~standard']?.validate !== 'function') {
      throw invalidOption(`topic ${template}: schema`, options?.schema, 'a Standard Schema, such as z.object({ … })')
    }
    this.#schema = options.schema
    this.#upcasts = readUpcasts(template, options.upcasts)
  }

  /** The address for these parameters. Each value becomes exactly one token, whatever it holds. Throws `BUS_INVALID_SUBJECT`. */
  at(...[params]: AtArguments<Params>): Address<Input> {
    const values: ReadonlyMap<string, unknown> = new Map(Object.entries(params ?? {}))
    const tokens = this.#tokens.map((token) =>
      token.param === undefined ? token.text : encodeParam(this.template, token.param, values),
    )
    return { subject: checkSubject(tokens.join('.')), topic: this }
  }

  /** The parameters of a subject of this topic, decoded; undefined when the subject is not of this topic. */
  parse(subject: string): Params | undefined {
    const parts = subject.split('.')
    if (parts.length !== this.#tokens.length) return undefined
    const params: Record<string, string> = Object.create(null)
    for (const [at, token] of this.#tokens.entries()) {
      const part = parts[at] ?? ''
      if (token.param !== undefined) params[token.param] = decodeToken(part)
      else if (token.text !== part) return undefined
    }
    return params as Params
  }

  /** Checks data that is about to be published. Throws `BUS_INVALID_MESSAGE` with the path of each issue. */
  async validate(data: unknown): Promise<Output> {
    const result = await this.#schema['~standard'].validate(data)
    if (result.issues === undefined) return result.value
    throw new BusError(
      'BUS_INVALID_MESSAGE',
      `[bus] data does not fit topic ${this.template}: ${describeIssues(result.issues)}`,
    )
  }

  /** Brings received data to this version, then validates it. Throws `BUS_INVALID_MESSAGE`; such a message becomes a dead letter. */
  async accept(data: unknown, version: number, logger: Logger): Promise<Output> {
    if (version > this.version) {
      throw new BusError(
        'BUS_INVALID_MESSAGE',
        `[bus] topic ${this.template}: data has version ${version}, this process knows ${this.version}. Deploy the newer topic, then redrive`,
      )
    }
    if (version < this.version) this.#warnOnce(version, logger)
    return this.validate(this.#upcast(data, version))
  }

  #upcast(data: unknown, version: number): unknown {
    let current = data
    for (let from = version; from < this.version; from++) {
      const step = this.#upcasts.get(from)
      if (step === undefined)
        throw new BusError(
          'BUS_INVALID_MESSAGE',
          `[bus] topic ${this.template} has no upcast from version ${from} to ${from + 1}`,
        )
      try {
        current = step(current as never)
      } catch (thrown) {
        throw new BusError(
          'BUS_INVALID_MESSAGE',
          `[bus] topic ${this.template}: the upcast from version ${from} failed`,
          { cause: thrown },
        )
      }
    }
    return current
  }

  #warnOnce(version: number, logger: Logger): void {
    if (this.#warned.has(version)) return
    this.#warned.add(version)
    logger.log('warn', 'messages of an old version arrive; upgrade their publisher', {
      topic: this.template,
      version,
      current: this.version,
    })
  }
}

/** Declares a topic: `topic('orders.{orderId}.placed', { schema: z.object({ total: z.number() }) })`. */
export function topic<const Template extends string, Input, Output>(
  template: Template,
  options: TopicOptions<Input, Output>,
): Topic<Input, Output, TopicParams<Template>> {
  return new Topic(template, options)
}

function readUpcasts(template: string, upcasts: unknown): ReadonlyMap<number, (data: never) => unknown> {
  const steps = Object.entries(optionsOf(`topic ${template}: upcasts`, upcasts as object | undefined))
  return new Map(
    steps.map(([from, step]) => {
      const name = `topic ${template}: upcasts[${from}]`
      if (typeof step !== 'function') throw invalidOption(name, step, 'a function from one version to the next')
      return [wholeNumber(name, Number(from), 1), step]
    }),
  )
}

interface TemplateToken {
  readonly text: string
  readonly param?: string
}

function parseTemplate(template: unknown): TemplateToken[] {
  if (typeof template !== 'string')
    throw new BusError('BUS_INVALID_SUBJECT', `[bus] a topic template must be a string, not ${typeof template}`)
  const seen = new Set<string>()
  return template.split('.').map((text) => {
    const param = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(text)?.[1]
    if (param === undefined) return { text: checkLiteral(text, template) }
    if (seen.has(param))
      throw new BusError('BUS_INVALID_SUBJECT', `[bus] topic ${template} has the parameter {${param}} twice`)
    seen.add(param)
    return { text, param }
  })
}

function checkLiteral(text: string, template: string): string {
  if (/[{}]/.test(text))
    throw new BusError(
      'BUS_INVALID_SUBJECT',
      `[bus] topic ${template}: a parameter is a whole token, such as "{orderId}"`,
    )
  return checkSubject(text)
}

function encodeParam(template: string, param: string, values: ReadonlyMap<string, unknown>): string {
  const value = values.get(param)
  if (typeof value !== 'string')
    throw new BusError(
      'BUS_INVALID_SUBJECT',
      `[bus] topic ${template}: parameter {${param}} must be a string, not ${typeof value}`,
    )
  return encodeToken(value)
}
