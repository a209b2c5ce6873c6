/** Something that a test waits for: a promise, and the call that resolves it. */
export interface TestSignal {
  readonly promise: Promise<void>
  resolve(): void
}

export function signal(): TestSignal {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}
