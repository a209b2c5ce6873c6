/** What the client does not offer and we cannot do without. Everything here does nothing when the client has changed inside. */
import type { StoredMsg } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

interface Internals {
  readonly protocol?: {
    readonly transport?: { done?: boolean; readonly socket?: { destroy?(): void } }
    prepare?(): unknown
    readonly servers?: {
      getServers?(): { readonly listen: string; tlsName: string }[]
      addServer?(address: string): void
    }
  }
}

/**
 * Ends the link at once. The client ends a stale one only after a last write, which never ends when the other side does not read and
 * the buffers are full: it would then wait for ever.
 */
export function cutLink(nats: NatsConnection): void {
  internalsOf(nats).protocol?.transport?.socket?.destroy?.()
}

/**
 * Ends what the client's own `close()` leaves behind: a link that is still being made. It would stay for as long as the other side keeps
 * silent, or be made after all once a host name is found.
 */
export function endLink(nats: NatsConnection): void {
  const { protocol } = internalsOf(nats)
  if (protocol?.prepare === undefined) return
  protocol.prepare = () => {
    throw new Error('the connection was closed')
  }
  // Looked at by the client as soon as the other side has taken the link; until then the socket is nobody's.
  if (protocol.transport?.done === false) protocol.transport.done = true
  cutLink(nats)
}

/** Puts back servers that the client struck off its list because they did not answer the first time. */
export function keepServers(nats: NatsConnection, addresses: readonly string[]): void {
  const pool = internalsOf(nats).protocol?.servers
  const known = pool?.getServers?.()
  if (pool?.addServer === undefined || known === undefined) return
  for (const address of addresses) {
    if (known.some(({ listen }) => listen === address)) continue
    pool.addServer(address)
    // Its certificate is checked for its own name, like that of any configured server.
    const added = pool.getServers?.().at(-1)
    if (added !== undefined) added.tlsName = ''
  }
}

/**
 * The header block of a message that a stream was asked for, as it was stored. The client would parse it, throw at a name that it does not
 * like, and change values that others wrote; then nobody could read the message, nor what comes after it.
 */
export function storedHeaderText(found: StoredMsg): string {
  const kept = (found as { readonly smr?: { readonly message?: { readonly hdrs?: string } } }).smr?.message
  return kept === undefined ? String(found.header) : Buffer.from(kept.hdrs ?? '', 'base64').toString()
}

function internalsOf(nats: NatsConnection): Internals {
  return nats as unknown as Internals
}
