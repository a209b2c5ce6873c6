/** The toy adapter of `examples/` passes the conformance suite, and each of its "no"s is proven: saying yes instead turns the suite red. */
import { describe, expect, it } from 'vitest'
import { supports, toy } from '../../examples/toy-adapter/toy.js'
import { ToyServer } from '../../examples/toy-adapter/toy-server.js'
import type { Adapter, Capabilities } from '../../src/adapter.js'
import { adapterSuite, type Harness, type SuiteScenario } from '../../testing/index.js'

const server = new ToyServer()
const harness: Harness = { name: 'toy', supports, connect: () => toy(server) }

for (const { name, scenarios } of adapterSuite(harness)) {
  describe(`toy: ${name}`, () => {
    for (const { title, alone, run } of scenarios) (alone ? it : it.concurrent)(title, run)
  })
}

describe('a toy that claims what it cannot do', () => {
  const claims = [
    'publishDedup',
    'idConflict',
    'delayedPublish',
    'workqueue',
    'interest',
    'lastPerSubject',
    'originalReplay',
    'live',
    'request',
    'remove',
  ] as const

  it('fails the suite, whatever it claims', async () => {
    const honest = new Set(namesOf(harness).keys())
    const foundOut = claims.map(async (claim) => {
      const added = [...namesOf(lying({ ...supports, [claim]: true }))].filter(([name]) => !honest.has(name))
      // The first scenario that fails is enough: most of the others would only wait for what never comes.
      for (const [, scenario] of added) if (await fails(scenario)) return claim
      return `${claim} is believed by ${added.length} scenarios`
    })
    expect(await Promise.all(foundOut)).toEqual(claims)
  }, 60_000)
})

function namesOf(of: Harness): ReadonlyMap<string, SuiteScenario> {
  return new Map(
    adapterSuite(of).flatMap((group) =>
      group.scenarios.map((scenario) => [`${group.name}: ${scenario.title}`, scenario]),
    ),
  )
}

function fails(scenario: SuiteScenario): Promise<boolean> {
  return scenario.run().then(
    () => false,
    () => true,
  )
}

/** A harness whose adapters and words agree, and are both false. */
function lying(claimed: Capabilities): Harness {
  const liars = new ToyServer()
  const connect = (): Adapter => Object.assign(toy(liars), { supports: claimed })
  return { name: 'liar', supports: claimed, connect }
}
