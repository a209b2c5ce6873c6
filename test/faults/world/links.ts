/** The links of one client process: a proxy for each NATS node and for PostgreSQL, each of which can be cut by itself. */
import type { NatsServer } from '../../servers/nats-server.js'
import { type PgProxy, startPgProxy } from '../../servers/pg-proxy.js'
import { type LinkProxy, startProxy } from '../../servers/proxy.js'

const FORGETFUL = { remembers: false }

export class Links {
  readonly nats: readonly LinkProxy[]
  /** For faults of the link to PostgreSQL, whatever is said on it. */
  readonly postgres: LinkProxy | undefined
  /** For faults at a statement. It stands between the link and the server. */
  readonly statements: PgProxy | undefined

  static async open(nats: readonly NatsServer[], postgres: { readonly url: string } | undefined): Promise<Links> {
    const toNodes = await Promise.all(nats.map(({ port }) => startProxy(port, FORGETFUL)))
    if (postgres === undefined) return new Links(toNodes)
    const statements = await startPgProxy(Number(new URL(postgres.url).port), FORGETFUL)
    return new Links(toNodes, await startProxy(statements.port, FORGETFUL), statements)
  }

  private constructor(nats: readonly LinkProxy[], postgres?: LinkProxy, statements?: PgProxy) {
    this.nats = nats
    this.postgres = postgres
    this.statements = statements
  }

  get natsUrls(): readonly string[] {
    return this.nats.map(({ url }) => url)
  }

  get postgresUrl(): string | undefined {
    return this.postgres && `postgres://busbar@127.0.0.1:${this.postgres.port}/postgres`
  }

  get all(): readonly LinkProxy[] {
    return this.postgres === undefined ? this.nats : [...this.nats, this.postgres]
  }

  async stop(): Promise<void> {
    await Promise.all([...this.all.map((link) => link.stop()), this.statements?.stop()])
  }
}
