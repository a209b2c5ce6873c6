/** `busbar migrate`: brings the ledger's schema up to date, for those who do not let every process do it at its start. */
import { createAdapter, dualOptions } from '../env.js'
import { ledgerConfig } from './ledger.js'
import type { CliProcess } from './run.js'
import { EXIT, type Terminal } from './terminal.js'

export async function migrate(host: Pick<CliProcess, 'env'>, out: Terminal): Promise<number> {
  const config = ledgerConfig(host.env)
  // Never opened: only the database is talked to. What the configuration or the installation lacks is said here.
  const inner = await createAdapter(config)
  const { migrateLedger } = await import('../../adapters/dual/index.js')
  const { applied, version } = await migrateLedger({ ...dualOptions(config), inner })
  out.line(`version ${version}: ${applied.length === 0 ? 'nothing to do' : `applied ${applied.join(', ')}`}`)
  out.document({ applied, version })
  return EXIT.done
}
