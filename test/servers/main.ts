/** `npm run servers`: NATS and PostgreSQL to try the bus with, until Ctrl-C. What they hold goes with them. */
import { once } from 'node:events'
import { startNats } from './nats-server.js'
import { startPostgres } from './postgres.js'

const stopped = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)))
const servers = await Promise.all([startNats(), startPostgres()])
const [nats, postgres] = servers

process.stdout.write(`# nats-server ${nats.version} and PostgreSQL ${postgres.version} run until Ctrl-C. In another terminal:
export MESSAGE_BUS=nats
export NATS_URL=${nats.url}
export DATABASE_URL=${postgres.url}
`)

await stopped
await Promise.all(servers.map((server) => server.stop()))
