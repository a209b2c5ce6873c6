/** Takes nats-server out of a Debian package, with package lists of its own: nothing is installed and root is not needed. */
import { execFile } from 'node:child_process'
import { access, mkdir, readdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const MIRROR = 'http://deb.debian.org/debian'
/** Packages are checked against these keys by apt itself, so the mirror need not be trusted. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Newest first. */
const SUITES = ['forky', 'trixie']
const APT_WITHIN_MS = 180_000

const run = promisify(execFile)

/** @throws Error when this is no Debian, the network is away, or no suite has the line */
export async function fromDebian(line: string, folder: string): Promise<string> {
  await access(KEYRING)
  const { stdout } = await run('dpkg', ['--print-architecture'])
  const seen: string[] = []
  for (const suite of SUITES) {
    const apt = await aptFor(suite, stdout.trim(), join(folder, suite))
    const version = await apt.candidate()
    if (version?.startsWith(`${line}.`)) return await apt.unpack(version)
    seen.push(`${suite} has ${version ?? 'none'}`)
  }
  throw new Error(`no suite has ${line}: ${seen.join(', ')}`)
}

async function aptFor(suite: string, architecture: string, folder: string) {
  const options = await privateApt(suite, architecture, folder)
  const apt = (tool: string, args: readonly string[]) =>
    run(tool, [...options, ...args], { cwd: folder, timeout: APT_WITHIN_MS })
  await apt('apt-get', ['update'])
  return {
    /** Such as `2.15.1-1`. */
    async candidate(): Promise<string | undefined> {
      const { stdout } = await apt('apt-cache', ['madison', 'nats-server'])
      return stdout.split('|')[1]?.trim()
    },
    async unpack(version: string): Promise<string> {
      await apt('apt-get', ['download', `nats-server=${version}`])
      const file = (await readdir(folder)).find((name) => name.endsWith('.deb'))
      await run('dpkg', ['-x', join(folder, file ?? ''), join(folder, 'root')])
      return join(folder, 'root/usr/sbin/nats-server')
    },
  }
}

/** The machine's proxy settings stay in force; its package sources, lists and cache are neither read nor written. */
async function privateApt(suite: string, architecture: string, folder: string): Promise<string[]> {
  for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(join(folder, name), { recursive: true })
  const sources = join(folder, 'sources.list')
  await writeFile(sources, `deb [arch=${architecture} signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`)
  await writeFile(join(folder, 'status'), '')
  return [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=-',
    'Dir::Etc::preferences=-',
    'Dir::Etc::preferencesparts=-',
    `Dir::State::lists=${join(folder, 'lists')}`,
    `Dir::State::status=${join(folder, 'status')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    `Dir::Cache::archives=${join(folder, 'cache/archives')}`,
    // apt run by root would otherwise change to a user who may not enter the folder.
    `APT::Sandbox::User=${userInfo().username}`,
    'Acquire::Languages=none',
    'Acquire::PDiffs=false',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=20',
    // A suite that cannot be read is a failure, not a warning.
    'APT::Update::Error-Mode=any',
  ].flatMap((option) => ['-o', option])
}
