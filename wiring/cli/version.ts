/** The version of the installed package, from its own manifest, whether it runs from `dist/` or from its sources. */
import { existsSync, readFileSync } from 'node:fs'

export function version(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    const manifest = new URL(up, import.meta.url)
    if (!existsSync(manifest)) continue
    const { version: found }: { version?: unknown } = JSON.parse(readFileSync(manifest, 'utf8'))
    if (typeof found === 'string') return found
  }
  return 'unknown'
}
