/**
 * What JetStream and its client are known to do, by code. Each fact that the adapter has to survive has a test whose title begins with its
 * code; the others say why they cannot meet us.
 */

export interface Fact {
  readonly code: string
  /** What the server or the client does. */
  readonly text: string
  /** Why no test is needed: the adapter does not use the thing. */
  readonly avoided?: string
}

const ownBatches = "the adapter reads the answer to a batch itself; the client's batches are not used"

export const FACTS: readonly Fact[] = [
  { code: 'JS-P1', text: 'any JSON without an error passes for an acknowledgement' },
  { code: 'JS-P2', text: 'a publish that timed out may be stored' },
  { code: 'JS-P3', text: 'no stream and no leader look the same' },
  { code: 'JS-P4', text: 'nothing repeats a publish by itself' },
  { code: 'JS-P5', text: 'a repeat may meet its own first attempt in process' },
  { code: 'JS-P6', text: 'too large a message is refused by the server' },
  { code: 'JS-P7', text: 'one repeated id rejects a whole atomic batch' },
  { code: 'JS-P8', text: 'the client misreads an error of a batch commit', avoided: ownBatches },
  { code: 'JS-P9', text: 'fast ingest may lose messages' },
  { code: 'JS-D1', text: 'an id is compared without subject and payload' },
  { code: 'JS-D2', text: 'ids of removed messages are forgotten at a restart' },
  { code: 'JS-D3', text: 'the window of an id does not slide' },
  { code: 'JS-D4', text: 'an id stays taken after its message was settled' },
  { code: 'JS-D5', text: 'the window is at least 100 ms and at most the maximum age' },
  { code: 'JS-D6', text: 'servers before 2.11 may block a repeat after a leader change' },
  { code: 'JS-S1', text: 'a plain acknowledgement can be lost' },
  { code: 'JS-S2', text: 'a confirmed acknowledgement cannot be repeated through the client' },
  { code: 'JS-S3', text: 'a bare nak is redelivered at once' },
  { code: 'JS-S4', text: 'every hand-out counts as a delivery' },
  { code: 'JS-S5', text: 'a backoff of the server overrides the ack wait' },
  { code: 'JS-S6', text: 'at the limit of deliveries a message stays, undelivered' },
  { code: 'JS-S7', text: 'lowering that limit strands messages' },
  { code: 'JS-S8', text: '2.12.3 and 2.12.4 deleted messages at that limit' },
  { code: 'JS-S9', text: 'a killed process uses up deliveries without an error' },
  { code: 'JS-S10', text: 'term gives up for good' },
  { code: 'JS-S11', text: 'an acknowledgement after a redelivery still settles' },
  { code: 'JS-S12', text: 'redelivery and several workers break the order of keys' },
  { code: 'JS-F1', text: 'push consumers lose their position' },
  { code: 'JS-F2', text: 'prefetched messages expire in the client' },
  { code: 'JS-F3', text: 'a count alone does not bound bytes' },
  { code: 'JS-F4', text: 'a stall is noticed late by default' },
  { code: 'JS-F5', text: 'a throw in a callback stops the client’s consumer' },
  { code: 'JS-F6', text: 'a permission error stops it too' },
  { code: 'JS-F7', text: 'slow consumers are disconnected' },
  { code: 'JS-F8', text: 'an ordered consumer is made anew on a gap' },
  { code: 'JS-F9', text: 'delivering from the beginning was reported to hang' },
  { code: 'JS-C1', text: 'a deleted consumer is pulled from for ever' },
  { code: 'JS-C2', text: 'limits of a stream can delete durable consumers' },
  { code: 'JS-C3', text: 'a consumer can stand beyond the end of its stream' },
  { code: 'JS-C4', text: 'a stream made anew begins at 1 again' },
  { code: 'JS-C5', text: 'overlapping consumers of a work queue lose messages' },
  { code: 'JS-C6', text: 'why nothing comes is not told' },
  { code: 'JS-C7', text: 'a pinned client is replaced after a while' },
  { code: 'JS-C8', text: 'after a takeover newer messages come before older ones' },
  { code: 'JS-R1', text: 'reconnecting gives up after twenty seconds' },
  { code: 'JS-R2', text: 'a half-open link goes unnoticed for minutes' },
  { code: 'JS-R3', text: 'publishes are buffered without bound while disconnected' },
  { code: 'JS-R4', text: 'a leader change shows as silence' },
  { code: 'JS-R5', text: 'stopping loses prefetched messages until their ack wait' },
  { code: 'JS-R6', text: 'acknowledging after close can crash a process' },
  { code: 'JS-L1', text: 'discarding old messages loses unconsumed ones' },
  { code: 'JS-L2', text: 'a full stream refuses publishes' },
  { code: 'JS-L3', text: 'a work queue removes what was acknowledged' },
  { code: 'JS-L4', text: 'some settings cannot be changed' },
  { code: 'JS-L5', text: 'servers and neighbours have defaults of their own' },
  { code: 'JS-L6', text: 'a schedule must stay in its stream' },
  { code: 'JS-H1', text: 'wildcards in a subject are stored literally' },
  { code: 'JS-H2', text: 'an empty token gives a misleading error' },
  { code: 'JS-H3', text: 'the client checks little of a subject' },
  { code: 'JS-H4', text: 'the client checks nothing of headers' },
  { code: 'JS-H5', text: 'Nats-… headers are commands' },
  { code: 'JS-H6', text: 'the ack subject has several forms' },
  { code: 'JS-X1', text: 'on a full disk the server answers nothing' },
  { code: 'JS-X2', text: 'older servers reset the stream then' },
]
