/** R10: a process that has closed its bus holds nothing of it any more, and stayed within its memory. */
import type { History } from '../history.js'
import { Findings, type Rule, type Ruling } from '../rule.js'

const MIB = 1024 ** 2

export const resources: Rule = { code: 'R10', name: 'resources', judge }

function judge({ processes }: History): Ruling {
  const findings = new Findings()
  for (const end of processes) {
    const { proc, left, rss_bytes, rss_limit_bytes } = end
    if (left.length > 0) findings.add('left open', [], [end], `${proc} still holds ${left.join(', ')}`)
    if (rss_bytes > rss_limit_bytes) {
      const [used, limit] = [rss_bytes, rss_limit_bytes].map((bytes) => Math.round(bytes / MIB))
      findings.add('memory', [], [end], `${proc} takes ${used} MiB, more than ${limit} MiB`)
    }
  }
  const skipped = processes.length === 0 ? 'no process told what it held after its end' : undefined
  return { checked: processes.length, findings: findings.list(), notes: [], skipped }
}
