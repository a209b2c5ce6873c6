/**
 * `busbar repair`: sends what the backend behind the ledger has lost once more. Without `--yes` it only tells what is to be done; with it,
 * it compares again afterwards, and the exit code is of that comparison.
 */
import type { RepairReport, VerifyReport } from '../../src/ledger.js'
import { openLedger } from './ledger.js'
import type { CliProcess } from './run.js'
import { EXIT, type Terminal } from './terminal.js'
import { describe } from './verify.js'

export interface RepairSettings {
  /** Default: all. */
  readonly stream?: string
  readonly yes?: boolean
  /** Takes in what does not come from the ledger. */
  readonly import?: boolean
}

interface Repaired {
  readonly found: RepairReport
  /** Undefined for a dry run. */
  readonly after: VerifyReport | undefined
}

/** @returns `EXIT.failed` when a stream differs, still or without `--yes` */
export async function repair(settings: RepairSettings, host: Pick<CliProcess, 'env'>, out: Terminal): Promise<number> {
  const { yes = false, import: importForeign = false } = settings
  await using ledger = await openLedger(host.env, settings.stream)
  const { bus } = ledger
  const repaired: Repaired[] = []
  for (const stream of ledger.streams) {
    const found = await bus.repair({ stream, dryRun: !yes, importForeign })
    out.line(describe(found))
    const after = yes ? await bus.verify({ stream }) : undefined
    if (after !== undefined && !found.isSame) out.line(`      ${describeWork(found)}\n${describe(after)}`)
    repaired.push({ found, after })
  }
  const isSame = repaired.every(({ found, after }) => (after ?? found).isSame)
  if (!isSame) out.line(`\n${remedy(settings)}`)
  out.document({ same: isSame, dryRun: !yes, streams: repaired })
  return isSame ? EXIT.done : EXIT.failed
}

function describeWork({ republished, imported, tookMs }: RepairReport): string {
  return `${republished} sent again, ${imported} taken into the ledger, in ${tookMs} ms`
}

function remedy({ yes, import: isImporting }: RepairSettings): string {
  if (yes !== true) return 'Nothing was changed. To mend it, add --yes'
  return isImporting === true
    ? 'What is left has an id that the ledger knows with other content, or does not fit. The log says which'
    : 'To take in what does not come from the ledger, add --import'
}
