/** Free ports of the loopback interface, from a range that the system never gives to outgoing connections. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ephemeral range of Linux (32768) and of macOS (49152). A client that reconnects to a dead server's port inside that range
 * can be given the very port it calls, talk to itself, and keep the server from coming back.
 */
const FROM = 16_384
const BELOW = 32_768

/** Distinct and free at the moment of asking; who binds them must still be ready to lose the race. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  while (found.size < count) {
    const port = randomInt(FROM, BELOW)
    if (!found.has(port) && (await isFree(port))) found.add(port)
  }
  return [...found]
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen({ port, host: '127.0.0.1' })
  try {
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
