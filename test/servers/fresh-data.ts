/** A data folder as `initdb` makes it, made once for each version and copied from then on: making one takes a second of a processor. */
import { execFile } from 'node:child_process'
import { chown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ServerCommand } from './server-process.js'

const CACHE = fileURLToPath(new URL('../../.cache/postgres', import.meta.url))
const OPTIONS = ['-U', 'busbar', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
const run = promisify(execFile)

/** @param data must not exist yet @param user who owns it, when that is not this process */
export async function freshData(bin: string, data: string, user: ServerCommand['user']): Promise<void> {
  const { stdout } = await run(join(bin, 'initdb'), ['--version'])
  const cached = join(CACHE, `${stdout.trim().replaceAll(/[^\w.]+/g, '-')}-${user?.uid ?? 'own'}`)
  const copy = (): Promise<unknown> => run('cp', ['-a', cached, data])
  await copy().catch(async () => {
    await make(bin, cached, user)
    await rm(data, { recursive: true, force: true })
    await copy()
  })
}

/** Where that user may write, and moved when it is complete: several processes may be at it. */
async function make(bin: string, cached: string, user: ServerCommand['user']): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-initdb-'))
  try {
    if (user !== undefined) await chown(folder, user.uid, user.gid)
    await run(join(bin, 'initdb'), ['-D', join(folder, 'data'), ...OPTIONS], { cwd: folder, ...user })
    await mkdir(CACHE, { recursive: true })
    const own = `${cached}.${process.pid}`
    await run('cp', ['-a', join(folder, 'data'), own])
    await rename(own, cached).catch(() => rm(own, { recursive: true, force: true }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
