/** What a fault is: something that is done to a world under load, and lifted again. The faults themselves are in `faults/`. */
import type { Exemption } from '../../testing/history/index.js'
import type { Backend } from './client/setting.js'
import type { World, WorldOptions } from './world/world.js'

export interface Fault {
  /** As in the plan: `F1` and a letter, where there are several of a kind. */
  readonly code: string
  readonly title: string
  readonly adapters: readonly Backend['adapter'][]
  /** The world that it can happen in, where not every world will do. `lacks` tells when it is another one all the same. */
  readonly needs?: Pick<WorldOptions, 'nodes' | 'version' | 'disks' | 'accounts' | 'pooler'>
  /** Why it cannot happen on this machine or in this world; undefined when it can. A skip is told, and is never a pass. */
  lacks?(world: World): Promise<string | undefined>
  /** Breaks and heals. Resolves when everything runs again, not when it has recovered. */
  happen(world: World): Promise<void>
  /** What the adapter does not promise under it, with the line of `guarantees.md` as the reason. */
  exempt?(world: World): readonly Exemption[]
  /** Why a pass would prove nothing, such as a positive control that lost nothing; undefined when it proves something. */
  doubt?(): Promise<string | undefined>
}
