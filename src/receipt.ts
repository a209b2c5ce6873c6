/** What a publisher holds after its message was accepted. */

/** What an acceptance rests on: this process's heap, the backend's stream, or a committed ledger row. */
export type Durability = 'process' | 'stream' | 'ledger'

/** Proof that a message was accepted. */
export interface Receipt {
  readonly id: string
  readonly stream: string
  /** Position in the stream, from 1; 0 for a delayed message, which has none yet. For a duplicate: that of the first. */
  readonly sequence: number
  /** The same id and content had been accepted before; nothing was stored now. */
  readonly duplicate: boolean
  readonly durability: Durability
}
