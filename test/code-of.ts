/** What a failing call tells a program: the code of the error, which is what tests may branch on. */
import { BusError } from '../src/errors.js'

/** The code of the `BusError` that the call throws; undefined when it returns. Any other error passes through. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call()
  } catch (thrown) {
    if (thrown instanceof BusError) return thrown.code
    throw thrown
  }
  return undefined
}

/** As `codeOf`, for a promise or a call that returns one. */
export async function codeOfAsync(call: (() => unknown) | Promise<unknown>): Promise<string | undefined> {
  try {
    await (typeof call === 'function' ? call() : call)
  } catch (thrown) {
    if (thrown instanceof BusError) return thrown.code
    throw thrown
  }
  return undefined
}
