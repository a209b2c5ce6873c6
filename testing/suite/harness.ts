/**
 * What the suite asks of an adapter's author, and what it gives back: plain groups of scenarios that any test runner can run.
 */
import type { Adapter, Capabilities } from '../../src/adapter.js'
import type { Scene } from './scene.js'

export interface Harness {
  /** The backend under test, for titles. */
  readonly name: string
  /** What the adapter declares. It chooses the scenarios; one scenario proves that the adapter says the same. */
  readonly supports: Capabilities
  /** A new client of the same backend, as another process would be; not opened yet. */
  connect(): Adapter | Promise<Adapter>
  /** Kills the backend's server and starts it again with its data. Without it, nothing is proven about restarts. */
  restart?(): Promise<void>
  /** How much longer than asked a thing may take, in ms. Default 2,000. What comes too early always fails. */
  readonly toleranceMs?: number
}

export interface SuiteScenario {
  /** A sentence about something that a user can see. */
  readonly title: string
  /** Restarts the backend, so nothing else may run on it at the same time. */
  readonly alone: boolean
  /** Rejects with an assertion error when the adapter does not keep its promise. Copies may run side by side. */
  run(): Promise<void>
}

export interface SuiteGroup {
  readonly name: string
  readonly scenarios: readonly SuiteScenario[]
}

export type ScenarioBody = (scene: Scene) => Promise<void>

/** Capabilities that are a plain yes or no. */
export type YesNo = Exclude<keyof Capabilities, 'durability'>

export interface ScenarioDefinition {
  readonly title: string
  readonly body: ScenarioBody
  readonly applies: (supports: Capabilities) => boolean
  readonly restarts: boolean
}

export interface GroupDefinition {
  readonly name: string
  readonly scenarios: readonly ScenarioDefinition[]
}

/** Holds for every adapter. */
export function scenario(title: string, body: ScenarioBody): ScenarioDefinition {
  return { title, body, applies: () => true, restarts: false }
}

/** Holds for adapters that declare the capability, or all of several. */
export function when(needed: YesNo | readonly YesNo[], title: string, body: ScenarioBody): ScenarioDefinition {
  const all = [needed].flat()
  return { title, body, applies: (supports) => all.every((capability) => supports[capability]), restarts: false }
}

/** Holds for adapters that declare that they lack it. */
export function without(capability: YesNo, title: string, body: ScenarioBody): ScenarioDefinition {
  return { title, body, applies: (supports) => !supports[capability], restarts: false }
}

/** Holds for adapters that declare the capabilities, and needs a backend that the harness can restart. */
export function acrossRestart(needed: YesNo | readonly YesNo[], title: string, body: ScenarioBody): ScenarioDefinition {
  return { ...when(needed, title, body), restarts: true }
}
