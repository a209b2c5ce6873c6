/** Wakes one waiter; a ring that nobody waits for is remembered. */

export class Bell {
  #rung = false
  #waiter: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiter?.()
  }

  async heard(): Promise<void> {
    if (!this.#rung)
      await new Promise<void>((resolve) => {
        this.#waiter = resolve
      })
    this.#waiter = undefined
    this.#rung = false
  }
}
