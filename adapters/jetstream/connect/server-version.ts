/** Which server version has which feature (`jetstream-facts.md` section 11), and which versions are too old to trust (JSP-4). */
import { failure } from '../failure.js'

type Version = readonly [major: number, minor: number, patch: number]

/** The least that this adapter works with: several filters per consumer, stream metadata, compression. */
const OLDEST: Version = [2, 10, 0]

const FIRST_VERSIONS = {
  'message TTL': [2, 11, 0],
  'consumer pause': [2, 11, 0],
  'priority groups': [2, 11, 0],
  'atomic batches': [2, 12, 1],
  schedules: [2, 12, 0],
  counters: [2, 12, 0],
  'asynchronous persistence': [2, 12, 0],
  'fast-ingest batches': [2, 14, 0],
  'consumer reset': [2, 15, 0],
} as const satisfies Readonly<Record<string, Version>>

export type ServerFeature = keyof typeof FIRST_VERSIONS

/** The first version of each line that has the fixes of CVE-2026-33222, -33223, -33249, -27889 and of advisory 2026-18. */
const SECURE: readonly Version[] = [
  [2, 11, 16],
  [2, 12, 7],
  [2, 14, 0],
]

/**
 * Throws `BUS_UNSUPPORTED` when the server is too old to work with, or lacks a feature that is needed. A version that cannot be read
 * has no feature beyond the oldest.
 */
export function assertServer(version: string, needs: readonly ServerFeature[] = []): void {
  const parsed = parse(version)
  if (parsed !== undefined && isBefore(parsed, OLDEST))
    throw failure('connect', 'BUS_UNSUPPORTED', `the server is ${version}. Upgrade it to ${show(OLDEST)} or newer`)
  const missing = needs.find((feature) => !hasFeature(version, feature))
  if (missing === undefined) return
  const remedy = `Upgrade it to ${show(FIRST_VERSIONS[missing])} or newer`
  throw failure('connect', 'BUS_UNSUPPORTED', `the server, ${version}, has no ${missing}. ${remedy}`)
}

export function hasFeature(version: string, feature: ServerFeature): boolean {
  const parsed = parse(version)
  return parsed !== undefined && !isBefore(parsed, FIRST_VERSIONS[feature])
}

/** What a person should know of this version; undefined when it has the fixes we know of. */
export function securityNote(version: string): string | undefined {
  const parsed = parse(version)
  if (parsed === undefined)
    return `server version ${JSON.stringify(version)} cannot be read; whether it is secure is unknown`
  if (isSecure(parsed)) return undefined
  return `server ${version} has known vulnerabilities; upgrade to ${SECURE.map(show).join(', ')} or newer`
}

/** The line's own fix, or that of the newest line. */
function isSecure(version: Version): boolean {
  const ofLine = SECURE.find(([major, minor]) => major === version[0] && minor === version[1])
  const floor = ofLine ?? SECURE.at(-1) ?? OLDEST
  return !isBefore(version, floor)
}

/** A pre-release comes before its release, so it counts as the patch before. Undefined when it is no version. */
function parse(text: string): Version | undefined {
  const [, major, minor, patch, preRelease] = /^v?(\d+)\.(\d+)\.(\d+)(-[\w.-]+)?(?:\+[\w.-]+)?$/.exec(text) ?? []
  if (major === undefined) return undefined
  const before = preRelease !== undefined && isPreRelease(preRelease) ? 0.5 : 0
  return [Number(major), Number(minor), Number(patch) - before]
}

/** Distributors append words of their own to releases. */
function isPreRelease(suffix: string): boolean {
  return /^-(alpha|beta|dev|preview|rc|snapshot)/i.test(suffix)
}

function isBefore(version: Version, other: Version): boolean {
  const at = version.findIndex((part, index) => part !== other[index])
  return at >= 0 && (version[at] ?? 0) < (other[at] ?? 0)
}

function show(version: Version): string {
  return version.join('.')
}
