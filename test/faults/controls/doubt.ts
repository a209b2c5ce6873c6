/** Whether power faults prove anything on this machine: only where the same cut takes acknowledged messages from a plain JetStream. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { powerCut } from './power.js'

let answer: Promise<string | undefined> | undefined

/** Once per process, however many faults ask. Undefined when the control has lost something. */
export function powerDoubt(): Promise<string | undefined> {
  answer ??= ask()
  return answer
}

async function ask(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-control-'))
  try {
    const { accepted, lost } = await powerCut(folder)
    return lost > 0 ? undefined : `the positive control lost 0 of ${accepted} under a power cut`
  } catch (thrown) {
    return `the positive control of power cuts failed: ${thrown}`
  } finally {
    await rm(folder, { recursive: true })
  }
}
