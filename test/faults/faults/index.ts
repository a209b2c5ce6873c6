/** Every fault that there is. A new one is written beside its kind and listed here. */
import type { Fault } from '../fault.js'
import * as broker from './broker.js'
import * as clocks from './clocks.js'
import * as cluster from './cluster.js'
import * as database from './database.js'
import * as disk from './disk.js'
import * as links from './links.js'
import * as pauses from './pauses.js'
import * as poison from './poison.js'
import * as pooler from './pooler.js'
import * as power from './power.js'
import * as processes from './processes.js'
import * as rebuild from './rebuild.js'
import * as statements from './statements.js'
import * as versions from './versions.js'

const KINDS = [
  processes,
  broker,
  cluster,
  database,
  links,
  power,
  disk,
  clocks,
  pauses,
  rebuild,
  statements,
  poison,
  pooler,
  versions,
]

export const FAULTS: readonly Fault[] = KINDS.flatMap((kind): Fault[] => Object.values(kind))

/** @throws Error when there is none of that code */
export function faultOf(code: string): Fault {
  const found = FAULTS.find((fault) => fault.code === code)
  if (found === undefined)
    throw new Error(`no fault ${code}; there are ${FAULTS.map((fault) => fault.code).join(', ')}`)
  return found
}
