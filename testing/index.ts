/** `busbar/testing`: the conformance suite for adapters, a checker of histories, and a bus for application tests. Depends on no test runner. */
export { adapterSuite, type Harness, type SuiteGroup, type SuiteScenario } from './adapter-suite.js'
export { FaultyAdapter, type Operation, type SettlementRecord } from './faulty-adapter.js'
export * from './history/index.js'
export { TestBus, type TestBusOptions } from './test-bus.js'
export { VirtualClock } from './virtual-clock.js'
