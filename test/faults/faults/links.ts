/** Links that are cut, half open, slow, or one way (F12, F13), and all servers at once. */
import { setTimeout as wait } from 'node:timers/promises'
import type { LinkProxy } from '../../servers/proxy.js'
import type { Fault } from '../fault.js'
import type { World } from '../world/world.js'

const BOTH = ['nats', 'dual'] as const
const CUT_MS = 1500
const HALF_OPEN_MS = 6000
const SLOW_MS = 3000

/** Every link of one client after the other has the same trouble at the same time. */
function trouble(
  code: string,
  title: string,
  ms: number,
  begin: (link: LinkProxy) => void,
  end: (link: LinkProxy) => void,
): Fault {
  return {
    code,
    title,
    adapters: BOTH,
    async happen(world: World) {
      const links = world.allLinks.flatMap(({ all }) => all)
      await world.fault(code, 'links', async () => {
        for (const link of links) begin(link)
        await wait(ms)
        for (const link of links) end(link)
      })
    },
  }
}

const pass = (link: LinkProxy): void => link.pass()

export const linksCut = trouble('F13', 'all links are cut', CUT_MS, (link) => link.cut(), pass)
export const linksHalfOpen = trouble('F13b', 'all links are half open', HALF_OPEN_MS, (link) => link.stall(), pass)
export const answersLost = trouble(
  'F13c',
  'all links carry questions and no answers',
  HALF_OPEN_MS,
  (link) => link.stall('toClient'),
  pass,
)
export const linksSlow = trouble(
  'F13d',
  'all links are slow',
  SLOW_MS,
  (link) => link.delay(120),
  (link) => link.delay(0),
)

export const bothDown: Fault = {
  code: 'F12',
  title: 'PostgreSQL and nats-server are down at once; the broker is back first',
  adapters: ['dual'],
  async happen(world) {
    const { postgres, nats } = world
    await world.fault('F12', 'all servers', async () => {
      await Promise.all([postgres?.kill(), ...nats.map((node) => node.kill())])
      await wait(CUT_MS)
      await Promise.all(nats.map((node) => node.restart()))
      await wait(CUT_MS)
      await postgres?.restart()
    })
  },
}
