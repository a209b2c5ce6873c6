/**
 * Names that busbar uses on a server beside the user's own: subjects that no user subject can collide with (ours begin with `$`, which
 * the subject grammar refuses), and the streams that keep them.
 */

const ROOT = '$BUSBAR'

/** Small facts that outlive a process: parked messages of delayed publishes, and counts of hand-backs. */
export const STATE_STREAM = 'busbar-state'
export const STATE_SUBJECTS: readonly string[] = [`${ROOT}.delayed.>`, `${ROOT}.released.>`]

/** Facts that are true only while somebody repeats them: who serves an ordered consumer, which feeds are attached. */
export const PRESENCE_STREAM = 'busbar-presence'
export const PRESENCE_SUBJECTS: readonly string[] = [`${ROOT}.lease.>`, `${ROOT}.feed.>`]

/** One parked message. @param token an id of the message within its stream, as one subject token */
export const delayedSubject = (stream: string, token: string): string => `${ROOT}.delayed.${stream}.${token}`

/** How often one message was handed back unstarted. */
export const releasedSubject = (stream: string, consumer: string, sequence: number): string =>
  `${ROOT}.released.${stream}.${consumer}.${sequence}`

export const leaseSubject = (stream: string, consumer: string): string => `${ROOT}.lease.${stream}.${consumer}`

/** @param feed one feed's id, or `*` for all of the consumer */
export const feedSubject = (stream: string, consumer: string, feed: string): string =>
  `${ROOT}.feed.${stream}.${consumer}.${feed}`

/** Live only, kept nowhere: a feed ends. @param feed as above */
export const leftSubject = (stream: string, consumer: string, feed: string): string =>
  `${ROOT}.left.${stream}.${consumer}.${feed}`

/**
 * The durable consumer of one partition, at most 72 characters of the 255 that servers allow. Nobody's consumer can have such a name: a
 * consumer's own has no `~`.
 */
export const partName = (consumer: string, index: number, partitions: number): string =>
  `${consumer}~p${index}of${partitions}`

/** Which consumer a durable one belongs to, and into how many it is divided; 1 when it is the consumer itself. */
export function familyOf(name: string): { readonly consumer: string; readonly partitions: number } {
  const [, consumer, partitions] = /^(.+)~p\d+of(\d+)$/.exec(name) ?? []
  return consumer === undefined ? { consumer: name, partitions: 1 } : { consumer, partitions: Number(partitions) }
}
