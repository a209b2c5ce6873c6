/** R8: the ledger and the stream hold the same messages, and no row is in a state that it may not be in. Their order is rule R5's. */
import type { History } from '../history.js'
import type { Message, Stored, StoreName } from '../records.js'
import { Findings, type Rule, type RuleSettings, type Ruling } from '../rule.js'

export const agreement: Rule = { code: 'R8', name: 'agreement', judge }

function judge(history: History, { retained }: RuleSettings): Ruling {
  const findings = new Findings()
  for (const orphan of history.orphans) findings.add('orphan', [], [orphan], orphan.what)
  const isComparable = history.looksAt('ledger') > 0 && history.looksAt('stream') > 0
  const checked = isComparable ? compare(history, retained, findings) : 0
  const skipped = isComparable ? undefined : 'not both a ledger and a stream are listed'
  return { checked: checked + history.orphans.length, findings: findings.list(), notes: [], skipped }
}

function compare(history: History, retained: RuleSettings['retained'], findings: Findings): number {
  const from = retained === 'all' ? 0 : oldestInStream(history)
  let checked = 0
  for (const message of history.messages.values()) {
    const [kept, sent] = [rowsOf(history, message, 'ledger'), rowsOf(history, message, 'stream')]
    const [row, copy] = [kept[0], sent[0]]
    if (row !== undefined && row.seq >= from) checked++
    if (row === undefined && copy !== undefined)
      findings.add('not in the ledger', [message.id], [copy], 'the stream has it and the ledger has not')
    if (row === undefined || row.seq < from) continue
    if (copy === undefined)
      findings.add('not in the stream', [message.id], [row], 'the ledger has it and the stream has not')
    else judgePair(message, kept, sent, findings)
  }
  return checked
}

function judgePair({ id }: Message, kept: readonly Stored[], sent: readonly Stored[], findings: Findings): void {
  const other = sent.find(({ content }) => kept.every((row) => row.content !== content))
  if (other !== undefined)
    findings.add('other content', [id], [...kept, other], 'the ledger and the stream differ in it')
  const copies = sent.filter(({ again }) => !again)
  if (copies.length > kept.length) findings.add('sent twice', [id], [...kept, ...copies], 'the stream has more of it')
}

/** The position in the ledger of the oldest message that the stream still has. */
function oldestInStream(history: History): number {
  let oldest = Number.POSITIVE_INFINITY
  for (const message of history.messages.values()) {
    const [row] = rowsOf(history, message, 'ledger')
    if (row && rowsOf(history, message, 'stream').length > 0) oldest = Math.min(oldest, row.seq)
  }
  return oldest
}

/** As the last list of the store has them. */
function rowsOf(history: History, { stored }: Message, store: StoreName): Stored[] {
  const look = history.looksAt(store)
  return stored.filter((each) => each.store === store && each.look === look)
}
