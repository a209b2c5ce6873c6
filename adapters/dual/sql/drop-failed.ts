/** Drops counts of failed attempts of messages that nobody is handed any more: they lie below the floor of their consumer and are not owed. */
import type { Statement } from '../database/database.js'

export function dropFailed(schema: string, rows: number): Statement {
  return {
    text: `delete from ${schema}.failed f using (
        select d.consumer_id, d.position from ${schema}.failed d join ${schema}.consumers c on c.id = d.consumer_id
        where d.position <= c.floor
          and not exists (select from ${schema}.owed w where w.consumer_id = c.id and w.position = d.position)
        limit $1 for update of d skip locked
      ) old where f.consumer_id = old.consumer_id and f.position = old.position`,
    values: [rows],
  }
}
