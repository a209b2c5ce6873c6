/**
 * R4: an id is one message for as long as the dedup window holds, however often it is published, and never two contents. A publish that is
 * unknown may be stored at any later time, so only what must lie within one window is judged.
 */
import type { History } from '../history.js'
import type { Message, Publish, StoreName } from '../records.js'
import { endOf, Findings, type Rule, type Ruling } from '../rule.js'
import { mayBeStored } from '../standing.js'

export const dedup: Rule = { code: 'R4', name: 'dedup', judge }

function judge(history: History): Ruling {
  const findings = new Findings()
  const windowMs = history.config?.dedup_window_ms ?? 0
  const { endAt } = history
  const stores = (['ledger', 'stream'] as const).filter((store) => history.looksAt(store) > 0)
  let checked = 0
  for (const message of history.messages.values()) {
    if (message.publishes.length > 0) checked++
    judgeContents(message, windowMs, findings)
    for (const store of stores) judgeCopies(message, store, history.looksAt(store), { windowMs, endAt }, findings)
  }
  const skipped = stores.length === 0 ? 'no store is listed: copies were not counted' : undefined
  return { checked, findings: findings.list(), notes: [], skipped }
}

/** Two contents that were both accepted, surely within one window of each other. */
function judgeContents({ id, contents, publishes }: Message, windowMs: number, findings: Findings): void {
  if (contents.length < 2) return
  const accepted = publishes.filter(({ outcome }) => outcome === 'ok')
  const pair = accepted.flatMap((one, at) =>
    accepted
      .slice(at + 1)
      .filter((other) => other.content !== one.content && spanOf(one, other) <= windowMs)
      .map((other) => [one, other] as const),
  )[0]
  if (pair === undefined) return
  findings.add(
    'two contents',
    [id],
    pair.map((each) => endOf(each, each.endLine)),
    'both were accepted',
  )
}

/** From the first moment that one of them may have been stored to the last. */
function spanOf(one: Publish, other: Publish): number {
  return Math.max(one.endedAt, other.endedAt) - Math.min(one.invokedAt, other.invokedAt)
}

interface Times {
  readonly windowMs: number
  readonly endAt: number
}

function judgeCopies(message: Message, store: StoreName, look: number, times: Times, findings: Findings): void {
  const copies = message.stored.filter((each) => each.store === store && each.look === look && !each.again)
  if (copies.length < 2 || copies.length <= windowsOf(mayBeStored(message), times)) return
  findings.add('stored twice', [message.id], copies, `the ${store} has ${copies.length} messages of this id`)
}

/**
 * How many windows its publishes may have fallen into: as many copies are allowed. Each is placed as early as it can be, once in the order that
 * they began and once in the order that they must have ended: an unknown one may come before an accepted one, or long after it.
 */
function windowsOf(publishes: readonly Publish[], { windowMs, endAt }: Times): number {
  const spans = publishes.map(({ outcome, invokedAt, endedAt }) => ({
    from: invokedAt,
    to: outcome === 'ok' ? endedAt : endAt,
  }))
  const fitting = (byTime: typeof spans): number => {
    let windows = 0
    let openUntil = Number.NEGATIVE_INFINITY
    for (const { from, to } of byTime) {
      if (to <= openUntil) continue
      windows++
      openUntil = Math.max(from, openUntil) + windowMs
    }
    return windows
  }
  const byBegin = spans.toSorted((a, b) => a.from - b.from)
  return Math.max(fitting(byBegin), fitting(spans.toSorted((a, b) => a.to - b.to)))
}
