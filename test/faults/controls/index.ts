/** All positive controls, one after the other, and what they say in a table. */

import type { ControlResult } from './control.js'
import { idRelay } from './id-relay.js'
import { naiveDualWrite } from './naive.js'
import { powerCut } from './power.js'

export type { ControlResult } from './control.js'

export interface Control {
  readonly name: string
  /** It loses something, else what it controls proves nothing; false for one that must lose nothing. */
  readonly mustBite: boolean
  run(folder: string): Promise<ControlResult>
}

export const CONTROLS: readonly Control[] = [
  { name: 'default', mustBite: true, run: (folder) => powerCut(folder) },
  { name: 'always', mustBite: false, run: (folder) => powerCut(folder, 'always') },
  { name: 'naive', mustBite: true, run: (folder) => naiveDualWrite(folder, 'after the commit') },
  { name: 'naive-before', mustBite: true, run: (folder) => naiveDualWrite(folder, 'before the commit') },
  { name: 'id-relay', mustBite: true, run: idRelay },
]

export interface ControlOutcome {
  readonly control: Control
  /** Left out when it could not run here. */
  readonly result?: ControlResult
  /** Why it could not. */
  readonly skipped?: string
}

/** A control that cannot run on a machine is skipped with its reason, which is never a pass. */
export async function runControls(folder: string, chosen = CONTROLS): Promise<ControlOutcome[]> {
  const outcomes: ControlOutcome[] = []
  for (const control of chosen) {
    try {
      outcomes.push({ control, result: await control.run(folder) })
    } catch (thrown) {
      outcomes.push({ control, skipped: thrown instanceof Error ? thrown.message : `${thrown}` })
    }
  }
  return outcomes
}

/** Undefined when it did what it is there for. */
export function troubleOf({ control, result, skipped }: ControlOutcome): string | undefined {
  if (result === undefined) return `skipped: ${skipped}`
  const { lost, ghosts, report } = result
  if (report.voidBecause.length > 0) return `void: ${report.voidBecause[0]}`
  if (control.mustBite && lost + ghosts === 0) return 'void: it lost nothing, so what it controls proves nothing'
  return control.mustBite || lost + ghosts === 0 ? undefined : 'fail: it must lose nothing'
}

export function controlsText(outcomes: readonly ControlOutcome[]): string {
  const lines = outcomes.map((outcome) => {
    const { control, result } = outcome
    const trouble = troubleOf(outcome)
    if (result === undefined) return `${control.name}: ${trouble}`
    const { setup, under, accepted, lost, ghosts } = result
    const rest = trouble === undefined ? '' : ` — ${trouble}`
    return `${setup} under ${under}: accepted ${accepted}, lost ${lost}, ghosts ${ghosts}${rest}`
  })
  return ['positive controls', ...lines].join('\n')
}
