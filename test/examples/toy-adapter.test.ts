/** The toy adapter of `examples/` passes the conformance suite, and each of its "no"s is proven: saying yes instead turns the suite red. */
import { describe, expect, it } from 'vitest'
import { supports, toy } from '../../examples/toy-adapter/toy.js'
import { ToyServer } from '../../examples/toy-adapter/toy-server.js'
import type { Adapter, Capabilities } from '../../src/adapter.js'
import { adapterSuite, type Harness } from '../../testing/index.js'

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

  it.concurrent.each(claims)('fails the suite: %s', async (claim) => {
    const liar = lying({ ...supports, [claim]: true })
    const honest = new Set(titles(harness))
    const added = adapterSuite(liar).flatMap((group) =>
      group.scenarios.filter((scenario) => !honest.has(`${group.name}: ${scenario.title}`)),
    )
    expect(added.length, 'the claim adds scenarios').toBeGreaterThan(0)
    const ends = await Promise.allSettled(added.map((scenario) => scenario.run()))
    expect(ends.filter((end) => end.status === 'rejected').length).toBeGreaterThan(0)
  })
})

function titles(of: Harness): string[] {
  return adapterSuite(of).flatMap((group) => group.scenarios.map((scenario) => `${group.name}: ${scenario.title}`))
}

/** A harness whose adapters and words agree, and are both false. */
function lying(claimed: Capabilities): Harness {
  const liars = new ToyServer()
  const connect = (): Adapter => Object.assign(toy(liars), { supports: claimed })
  return { name: 'liar', supports: claimed, connect }
}
