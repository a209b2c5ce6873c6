/** Judges a history by the ten rules. What a verdict means is here; what each rule finds is in `rules/`. */
import { type Figures, figuresOf } from './figures.js'
import type { History } from './history.js'
import type { Finding, Rule, RuleCode, RuleSettings } from './rule.js'
import { agreement } from './rules/agreement.js'
import { attemptRule } from './rules/attempts.js'
import { dedup } from './rules/dedup.js'
import { duplicates } from './rules/duplicates.js'
import { keyOrder } from './rules/key-order.js'
import { liveness } from './rules/liveness.js'
import { noLoss } from './rules/no-loss.js'
import { noPhantom } from './rules/no-phantom.js'
import { resources } from './rules/resources.js'
import { truthfulErrors } from './rules/truthful-errors.js'

const RULES: readonly Rule[] = [
  noLoss,
  noPhantom,
  duplicates,
  dedup,
  keyOrder,
  attemptRule,
  liveness,
  agreement,
  truthfulErrors,
  resources,
]

const MIN_ACCEPTED = 100
const LATE_MS = 2000

/** What an adapter does not promise. It is printed with every report. */
export interface Exemption {
  readonly rule: RuleCode
  /** The kind of finding; all of the rule's when left out. */
  readonly finding?: string
  readonly reason: string
}

export interface CheckOptions extends Partial<RuleSettings> {
  readonly exempt?: readonly Exemption[]
  /** Messages that must have been accepted for a pass to mean anything. Default 100. */
  readonly minAccepted?: number
  /** Reasons from outside why nothing is proven, such as a positive control that lost nothing. */
  readonly voidBecause?: readonly string[]
}

/**
 * `void`: nothing is proven, because the history is not whole, too little happened, or a control did not bite. `skipped`: there was nothing to
 * judge by. Neither is a pass.
 */
export type Verdict = 'pass' | 'fail' | 'void' | 'skipped'

export interface RuleReport {
  readonly rule: RuleCode
  readonly name: string
  readonly verdict: Verdict
  /** Why it is void or skipped. */
  readonly reason?: string | undefined
  readonly checked: number
  readonly findings: readonly Finding[]
  readonly exempted: readonly (Finding & { readonly reason: string })[]
  /** For 0 of `checked`: the rate is below this, with 95 % confidence (3/n). */
  readonly bound?: number | undefined
  readonly notes: readonly string[]
}

export interface Report {
  /** The worst of the rules': fail, then void, then pass; a rule that is skipped is told, and does not count. */
  readonly verdict: Exclude<Verdict, 'skipped'>
  readonly run: string
  readonly adapter: string
  readonly versions: Readonly<Record<string, string>>
  /** Why nothing is proven, if so. */
  readonly voidBecause: readonly string[]
  readonly rules: readonly RuleReport[]
  readonly exemptions: readonly Exemption[]
  readonly figures: Figures
}

/** Never throws, whatever the history. */
export function check(history: History, options: CheckOptions = {}): Report {
  const { exempt = [], lateMs = LATE_MS, retained = 'all' } = options
  const figures = figuresOf(history)
  const doubts = doubtsOf(history, options)
  const least = options.minAccepted ?? MIN_ACCEPTED
  const tooFew = figures.accepted < least ? `${figures.accepted} were accepted, fewer than ${least}` : undefined
  const rules = RULES.map((rule) => judge(rule, history, { exempt, doubts, tooFew, settings: { lateMs, retained } }))
  const verdicts = rules.map(({ verdict }) => verdict)
  return {
    verdict: verdicts.includes('fail') ? 'fail' : verdicts.includes('void') ? 'void' : 'pass',
    run: history.sources[0]?.run ?? '',
    adapter: history.config?.adapter ?? 'unknown',
    versions: history.config?.versions ?? {},
    voidBecause: tooFew === undefined ? doubts : [...doubts, tooFew],
    rules,
    exemptions: exempt,
    figures,
  }
}

function doubtsOf({ problems, problemCount }: History, { voidBecause = [] }: CheckOptions): string[] {
  const more = problemCount - problems.length
  return [...voidBecause, ...problems, ...(more > 0 ? [`${more} more problems of the history`] : [])]
}

interface Terms {
  readonly exempt: readonly Exemption[]
  readonly doubts: readonly string[]
  readonly tooFew: string | undefined
  readonly settings: RuleSettings
}

function judge({ code, name, judge }: Rule, history: History, { exempt, doubts, tooFew, settings }: Terms): RuleReport {
  const { checked, findings: all, notes, skipped } = judge(history, settings)
  const reasonFor = ({ kind }: Finding): string | undefined =>
    exempt.find(({ rule, finding }) => rule === code && (finding === undefined || finding === kind))?.reason
  const findings = all.filter((finding) => reasonFor(finding) === undefined)
  const exempted = all.flatMap((finding) => {
    const reason = reasonFor(finding)
    return reason === undefined ? [] : [{ ...finding, reason }]
  })
  const [verdict, reason] = verdictOf(findings.length > 0, doubts[0], skipped, tooFew)
  const bound = all.length === 0 && checked > 0 ? 3 / checked : undefined
  return { rule: code, name, verdict, reason, checked, findings, exempted, bound, notes }
}

/** A failure needs a whole history, but not a long one: too few operations make a pass worthless, not a failure. */
function verdictOf(
  isBroken: boolean,
  doubt: string | undefined,
  skipped: string | undefined,
  tooFew: string | undefined,
): readonly [Verdict, string?] {
  if (doubt !== undefined) return ['void', doubt]
  if (isBroken) return ['fail']
  if (skipped !== undefined) return ['skipped', skipped]
  return tooFew === undefined ? ['pass'] : ['void', tooFew]
}
