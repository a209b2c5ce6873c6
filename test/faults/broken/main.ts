/**
 * Runs every broken adapter in a world of its own and asks the checker what it sees: each must fail, by the rule that its promise belongs to.
 * The score is what all figures of the suite rest on.
 *
 *   --quick          the first two, which need no server
 *   --only <words>   those whose names have these words
 */
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type RuleCode, reportText } from '../../../testing/history/index.js'
import { asFault } from '../compose.js'
import type { Fault } from '../fault.js'
import { faultOf } from '../faults/index.js'
import { useMemory } from '../memory-disk.js'
import { type RunResult, runPlan } from '../run.js'
import { BROKEN, type Broken } from './index.js'

const QUICK = 2
const SEED = 1
const PER_SECOND = { memory: 500, nats: 200, dual: 120 } as const
const SHORT = { ackWaitMs: 2000, leaseMs: 1500, pauseMs: 2500 }
const FOLDER = '.cache/faults/broken'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
})

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

interface Tried {
  readonly isCaught: boolean
  readonly text: string
}

async function tried(broken: Broken): Promise<Tried> {
  const { name, adapter, besideDatabase = false } = broken
  const faults = broken.faults.map(atOnce)
  const plan = { name, adapter, faults, seed: SEED, perSecond: PER_SECOND[adapter], besideDatabase, broken: name }
  try {
    const result = await runPlan({ ...plan, ...SHORT }, FOLDER, () => {})
    await rm(`${FOLDER}/${result.run}`, { recursive: true, force: true })
    return judged(broken, result)
  } catch (thrown) {
    return { isCaught: false, text: `the run itself failed: ${thrown}` }
  }
}

/** @param codes joined by `+`; each begins a second after the one before */
function atOnce(codes: string): Fault {
  const faults = codes.split('+').map(faultOf)
  return asFault({ faults, afterMs: faults.map((_, at) => at * 1000) })
}

/** What fails beside the rule must follow from the same thing: else nobody knows what was caught. */
function judged({ rule, follows }: Broken, { report }: RunResult): Tried {
  const guilty = report.rules.filter(({ verdict }) => verdict === 'fail')
  const failed: RuleCode[] = guilty.map((each) => each.rule)
  const strange = failed.filter((each) => each !== rule && !follows.includes(each))
  const isCaught = failed.includes(rule) && strange.length === 0
  const findings = guilty.map(
    (each) => `${each.rule} ${each.findings.map(({ kind, count }) => `${kind} ${count}`).join(', ')}`,
  )
  const found = findings.join('; ') || `nothing (${report.verdict})`
  return { isCaught, text: isCaught ? found : `${rule} was expected, found: ${found}\n${reportText(report)}` }
}

useMemory()
const chosen = BROKEN.filter(({ name }) => name.includes(values.only)).slice(0, values.quick ? QUICK : BROKEN.length)
let caught = 0

async function tell(broken: Broken): Promise<void> {
  const { isCaught, text } = await tried(broken)
  if (isCaught) caught++
  say(`${isCaught ? 'caught' : 'MISSED'}  ${broken.name} (${broken.adapter}): ${text}`)
}

// Those without servers do not get in each other's way.
if (values.quick) await Promise.all(chosen.map(tell))
else for (const broken of chosen) await tell(broken)
say(`${caught} of ${chosen.length} broken adapters were caught`)
process.exitCode = caught === chosen.length && chosen.length > 0 ? 0 : 1
