/** A signal between a test and a handler: one side waits, the other opens. */
export class Gate {
  readonly opened: Promise<void>
  #open: () => void = () => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  /** Lets everyone through, from now on. Idempotent. */
  open(): void {
    this.#open()
  }
}
