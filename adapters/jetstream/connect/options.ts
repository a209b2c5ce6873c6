/** What an application says about its NATS servers. Checked before anything is sent. */
import type { Duration } from '../../../src/duration.js'

/** A secret, or how to get it: a function is asked again at each connect, so that a secret can be rotated. */
export type Secret = string | (() => string | Promise<string>)

export interface JetStreamOptions {
  /**
   * `nats://host:port`, one or several; one `tls://` asks for TLS everywhere. May hold credentials: `nats://user:password@host`,
   * `nats://token@host`. Others of the cluster are found by themselves; list those whose certificates bear names of their own (TLS-5).
   * Default `nats://127.0.0.1:4222`.
   */
  readonly servers?: string | readonly string[]
  readonly user?: Secret
  readonly password?: Secret
  readonly token?: Secret
  /** `SU…`, or the path of a file that holds it in `nkeySeedFile`. */
  readonly nkeySeed?: Secret
  readonly nkeySeedFile?: string
  /** Text of a credentials file, or its path in `credentialsFile`. */
  readonly credentials?: Secret
  readonly credentialsFile?: string
  /** `true`: TLS is required. Certificates say the same. Default: TLS when the server asks for it. */
  readonly tls?: boolean | TlsSettings
  /** Send credentials in clear text to another host. Default false: refused with `BUS_CONFIG` (TLS-3). */
  readonly allowInsecure?: boolean
  /** Shown in the server's connection list. Default `busbar`. */
  readonly name?: string
  /** First tokens of reply subjects, so that permissions can keep applications apart. Default `_INBOX`. */
  readonly inboxPrefix?: string
  /** For the first connection, tries included; later ones go on for ever. A server among several gets a share of it. Default `'5s'`. */
  readonly connectTimeout?: Duration
  /** Publishes sent and not acknowledged yet; more wait. Default 1,024. */
  readonly maxPublishing?: number
  /** Payload bytes that may wait to be published, while the connection is down too; more are refused with `BUS_UNAVAILABLE`. Default 64 MiB. */
  readonly maxWaitingBytes?: number
  /**
   * When the servers write to disk, as their operator declares it: a client can rarely ask for it. Default: unknown (JS-Y1). Where it is
   * `'always'`, what waits to be published goes in atomic batches (`docs/adr/0008`).
   */
  readonly syncInterval?: 'always' | Duration
  /** Base URL of the monitoring endpoint, where `sync_interval` can be observed. */
  readonly monitorUrl?: string
}

/** PEM text or paths of PEM files; files are read again for every connect, so that certificates can be renewed. */
export interface TlsSettings {
  /** Authorities to trust. Default: those of Node. */
  readonly ca?: string
  /** Our own certificate, for servers that ask for one; with `key`, which is not encrypted. */
  readonly cert?: string
  readonly key?: string
  /** The server expects the handshake before its greeting. Default false. */
  readonly handshakeFirst?: boolean
}
