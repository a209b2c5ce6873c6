/**
 * Reads durations, numbers, flags and signals from options, so that a bad one is refused before it does anything.
 */
import { MAX_TIMER_MS } from './clock.js'
import { BusError } from './errors.js'

/** `'250ms'`, `'30s'`, `'2m'`, `'4h'`, `'7d'`, or a number of milliseconds. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** A hundred years: the bound of ages, which no single timer has to wait for. A JetStream server's 64-bit nanoseconds end at 292. */
export const MAX_AGE_MS = 36_525 * 86_400_000

/**
 * A duration in ms: finite, not negative, within the bounds. Throws `BUS_INVALID_OPTION`.
 * @param bounds `min` is 0 unless given, `max` is 2^31 - 1, Node's longest timer
 */
export function durationMs(
  name: string,
  value: unknown,
  bounds: { readonly min?: number; readonly max?: number } = {},
): number {
  const ms = parse(value)
  const { min = 0, max = MAX_TIMER_MS } = bounds
  if (ms !== undefined && ms >= min && ms <= max) return ms
  const least = min > 0 ? `, at least ${min} ms` : ''
  const range = `${least}, at most ${max} ms`
  throw invalid(name, value, `a duration such as '250ms', '30s', '2m', '4h', '7d' or a number of ms${range}`)
}

function parse(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) ?? []
  const scale = UNITS.get(unit ?? '')
  return amount === undefined || scale === undefined ? undefined : Math.round(Number(amount) * scale)
}

/** A safe whole number within bounds. Throws `BUS_INVALID_OPTION`. */
export function wholeNumber(name: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const upper = max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${max}`
    throw invalid(name, value, `a whole number, at least ${min}${upper}`)
  }
  return value
}

/** One of a few words. Throws `BUS_INVALID_OPTION`. */
export function oneOf<const Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
  for (const word of words) if (value === word) return word
  throw invalid(name, value, `one of ${words.map((word) => `'${word}'`).join(', ')}`)
}

/** An object of options, or nothing. Throws `BUS_INVALID_OPTION`. */
export function optionsOf<Options extends object>(
  name: string,
  value: Options | undefined,
): Options | Partial<Options> {
  if (value === undefined) return {}
  if (typeof value === 'object' && value !== null) return value
  throw invalid(name, value, 'an object, or leave it out')
}

/** True or false; nothing else, since a text such as `'false'` is true. Throws `BUS_INVALID_OPTION`. */
export function flagOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(name, value, 'true or false')
}

/** Throws `BUS_INVALID_OPTION` for what cannot abort anything. */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  throw invalid('signal', value, 'an AbortSignal')
}

/** A point in time, in ms since the epoch, from a `Date`, a number or an ISO 8601 string. Throws `BUS_INVALID_OPTION`. */
export function timeMs(name: string, value: unknown): number {
  const time = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : value
  if (typeof time === 'number' && Number.isFinite(time) && time >= 0 && Math.abs(time) <= 8.64e15) return time
  throw invalid(name, value, 'a Date, an ISO 8601 time, or ms since 1970')
}

export function invalid(name: string, value: unknown, expected: string): BusError {
  return new BusError('BUS_INVALID_OPTION', `[bus] ${name} is ${show(value)}; give ${expected}`)
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
