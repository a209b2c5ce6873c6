/** `busbar verify`: compares the ledger with the backend behind it, stream by stream. It sends and removes no message; see `ledger.ts`. */
import type { VerifyReport } from '../../src/ledger.js'
import { openLedger } from './ledger.js'
import type { CliProcess } from './run.js'
import { EXIT, type Terminal } from './terminal.js'

export interface VerifySettings {
  /** Default: all. */
  readonly stream?: string
}

/** @returns `EXIT.failed` when a stream differs */
export async function verify(settings: VerifySettings, host: Pick<CliProcess, 'env'>, out: Terminal): Promise<number> {
  await using ledger = await openLedger(host.env, settings.stream)
  const reports: VerifyReport[] = []
  for (const stream of ledger.streams) {
    const report = await ledger.bus.verify({ stream })
    reports.push(report)
    out.line(describe(report))
  }
  const isSame = reports.every((report) => report.isSame)
  if (!isSame) out.line('\nTo see what would be mended: busbar repair. To mend it: busbar repair --yes')
  out.document({ same: isSame, streams: reports })
  return isSame ? EXIT.done : EXIT.failed
}

/** One line about one stream. */
export function describe(report: VerifyReport): string {
  const { stream, ledger, inner, waiting, missing, missingSample, repeated, foreign, isSame } = report
  const counts = `${ledger} in the ledger, ${inner} of them in the inner backend, ${waiting} on their way`
  const shown = missingSample.length < missing ? [...missingSample, '…'] : missingSample
  const findings = [
    missing > 0 ? `${missing} missing (${shown.join(', ')})` : '',
    foreign > 0 ? `${foreign} not from the ledger` : '',
    repeated > 0 ? `${repeated} there more than once` : '',
  ].filter((finding) => finding !== '')
  return `${isSame ? 'same' : 'DIFF'}  ${[`${stream}: ${counts}`, ...findings].join('; ')}`
}
