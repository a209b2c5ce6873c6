/** The schema in steps, in order. A step that was released is never edited: its checksum is compared. */
import { ledger } from './0001-ledger.js'
import { append } from './0002-append.js'
import { progress } from './0003-progress.js'
import { views } from './0004-views.js'
import { group } from './0005-group.js'
import { delayed } from './0006-delayed.js'
import { failed } from './0007-failed.js'
import { skips } from './0008-skips.js'

export interface Migration {
  readonly version: number
  readonly name: string
  /** `%schema%` stands for the quoted name of the schema, which is also the search path while it runs. */
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'ledger', sql: ledger },
  { version: 2, name: 'append', sql: append },
  { version: 3, name: 'progress', sql: progress },
  { version: 4, name: 'views', sql: views },
  { version: 5, name: 'group', sql: group },
  { version: 6, name: 'delayed', sql: delayed },
  { version: 7, name: 'failed', sql: failed },
  { version: 8, name: 'skips', sql: skips },
]
