/** Certificates for tests, made at run time with the system's openssl: good ones, and each of the wrong kinds. Nothing is checked in. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of PEM files, and of the CA that signed them. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
}

export interface Certificates {
  /** For `localhost` and `127.0.0.1`, as are the servers below unless they say otherwise. */
  readonly server: Certificate
  /** For clients that the server asks for a certificate. */
  readonly client: Certificate
  /** Signed by another CA: no server of the first one lets it in, and its `caFile` trusts no server of the first one. */
  readonly stranger: Certificate
  /** A server certificate for `elsewhere.test` only. */
  readonly wrongHost: Certificate
  /** A server certificate that ended in 2020. */
  readonly expired: Certificate
  /** Removes all files. */
  remove(): Promise<void>
}

/** @throws Error with a remedy when there is no openssl */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-tls-'))
  const [ours, theirs] = await Promise.all([authority(join(folder, 'ours')), authority(join(folder, 'theirs'))])
  return {
    server: await ours({ name: 'server' }),
    client: await ours({ name: 'client' }),
    wrongHost: await ours({ name: 'wrong-host', hosts: 'DNS:elsewhere.test' }),
    expired: await ours({ name: 'expired', from: '20200101000000Z', until: '20200102000000Z' }),
    stranger: await theirs({ name: 'stranger' }),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

interface Wish {
  readonly name: string
  readonly hosts?: string
  /** As openssl writes times: YYYYMMDDHHMMSSZ. */
  readonly from?: string
  readonly until?: string
}

type Sign = (wish: Wish) => Promise<Certificate>

/** Makes a CA. It signs one certificate at a time, since openssl keeps its list in a file. */
async function authority(folder: string): Promise<Sign> {
  await mkdir(folder)
  const config = join(folder, 'ca.conf')
  await writeFile(config, CONFIG)
  await writeFile(join(folder, 'index.txt'), '')
  await writeFile(join(folder, 'serial'), '01\n')
  const openssl = (...args: string[]) => runOpenssl(folder, args)
  const key = async (name: string): Promise<void> => {
    await openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', `${name}.key`)
  }
  await key('ca')
  await openssl(
    ...['req', '-x509', '-new', '-key', 'ca.key', '-out', 'ca.pem', '-days', '2'],
    ...['-subj', '/CN=busbar test CA', '-config', config, '-extensions', 'authority'],
  )
  return async ({
    name,
    hosts = 'DNS:localhost,IP:127.0.0.1',
    from = '20200101000000Z',
    until = '20490101000000Z',
  }) => {
    const extensions = join(folder, `${name}.ext`)
    await writeFile(extensions, `subjectAltName=${hosts}\nextendedKeyUsage=serverAuth,clientAuth\n`)
    await key(name)
    await openssl(
      'req',
      '-new',
      '-key',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
      '-config',
      config,
    )
    await openssl(
      ...['ca', '-batch', '-notext', '-config', config, '-extfile', extensions],
      ...['-startdate', from, '-enddate', until, '-in', `${name}.csr`, '-out', `${name}.pem`],
    )
    const file = (path: string): string => join(folder, path)
    return { certFile: file(`${name}.pem`), keyFile: file(`${name}.key`), caFile: file('ca.pem') }
  }
}

async function runOpenssl(cwd: string, args: readonly string[]): Promise<void> {
  try {
    await run('openssl', args, { cwd })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error('openssl is not on the PATH: the TLS tests make their certificates with it. Install it.')
  }
}

/** `openssl ca` is the one command of every version that can date a certificate back. */
const CONFIG = `
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`
