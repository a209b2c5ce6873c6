/** Ends whatever a reading waits for as soon as one of several signals is aborted. After `end()` it leaves no listener behind. */

export class Stopping {
  readonly #sources: readonly AbortSignal[]
  readonly #stopped = new AbortController()
  readonly #stop = (): void => this.#stopped.abort()

  constructor(sources: readonly AbortSignal[]) {
    this.#sources = sources
    for (const source of sources) source.addEventListener('abort', this.#stop)
    if (sources.some(({ aborted }) => aborted)) this.#stop()
  }

  get signal(): AbortSignal {
    return this.#stopped.signal
  }

  /** What the work resolves or rejects with, or undefined as soon as it is stopped. The work goes on unheard. */
  async unless<Result>(work: Promise<Result>): Promise<Result | undefined> {
    const { signal } = this
    return await new Promise((resolve, reject) => {
      const onStop = (): void => resolve(undefined)
      signal.addEventListener('abort', onStop)
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onStop))
      if (signal.aborted) onStop()
    })
  }

  end(): void {
    for (const source of this.#sources) source.removeEventListener('abort', this.#stop)
    this.#stop()
  }
}
