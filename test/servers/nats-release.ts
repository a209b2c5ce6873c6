/** Takes nats-server out of a pinned release on GitHub, for machines that are no Debian. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const RELEASES = 'https://github.com/nats-io/nats-server/releases/download'
const PINNED: Readonly<Record<string, string>> = { '2.15': '2.15.1', '2.10': '2.10.27' }
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
const WITHIN_MS = 180_000

const run = promisify(execFile)

/**
 * The archive is checked against the list of checksums of the same release. That finds a broken or mixed-up download; it is no
 * protection against a release that was replaced as a whole, for which the checksums would have to be written down here.
 * @throws Error when the system has no such release, the network is away, or the checksum differs
 */
export async function fromGitHub(line: string, folder: string): Promise<string> {
  const version = PINNED[line]
  const architecture = ARCHITECTURES[process.arch]
  if (version === undefined || architecture === undefined || !['linux', 'darwin'].includes(process.platform)) {
    throw new Error(`no release of ${line} for ${process.platform} ${process.arch}`)
  }
  const name = `nats-server-v${version}-${process.platform}-${architecture}`
  const [archive, sums] = await Promise.all([
    download(`${RELEASES}/v${version}/${name}.tar.gz`),
    download(`${RELEASES}/v${version}/SHA256SUMS`),
  ])
  check(archive, `${name}.tar.gz`, sums.toString('utf8'))
  await writeFile(join(folder, 'release.tar.gz'), archive)
  await run('tar', ['-xzf', 'release.tar.gz', '--strip-components=1', `${name}/nats-server`], { cwd: folder })
  return join(folder, 'nats-server')
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

function check(archive: Buffer, name: string, sums: string): void {
  const wanted = sums.split('\n').find((sum) => sum.trim().endsWith(name))
  const actual = createHash('sha256').update(archive).digest('hex')
  if (wanted?.startsWith(actual) !== true)
    throw new Error(`${name} has checksum ${actual}, not ${wanted ?? 'one listed'}`)
}
