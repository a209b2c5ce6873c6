/** Runs once before all tests, as `globalSetup`: gets the servers that the tests start, so that no test waits for a download. */
import { natsBinary } from './nats-binary.js'

/** @throws Error with the remedy, once, instead of one failure for each test */
export async function setup(): Promise<void> {
  await natsBinary('2.15')
  await natsBinary('2.10')
}
