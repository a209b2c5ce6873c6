/** `busbar doctor`: from the Node version to the guarantees of the connected backend, and where it stops being well. */
import type { Guarantee } from '../../src/adapter.js'
import { BusError, describeThrown } from '../../src/errors.js'
import type { Health } from '../../src/message-bus.js'
import { ConfigError, parseConfig } from '../config.js'
import { openBus } from '../env.js'
import type { CliProcess } from './run.js'
import { EXIT, exitOf, type Terminal } from './terminal.js'

const OLDEST_NODE = [20, 19] as const

interface Finding {
  readonly check: 'node' | 'configuration' | 'backend'
  readonly ok: boolean
  readonly found: string
}

export async function doctor(host: Pick<CliProcess, 'env'>, out: Terminal): Promise<number> {
  const findings: Finding[] = [checkNode(process.versions.node)]
  let guarantees: readonly Guarantee[] = []
  let exit: number = EXIT.done
  try {
    const config = parseConfig(host.env)
    findings.push({ check: 'configuration', ok: true, found: JSON.stringify(config) })
    await using bus = await openBus(config)
    const health = await bus.health()
    findings.push({ check: 'backend', ok: health.status === 'ok', found: describe(health) })
    guarantees = await bus.guarantees()
  } catch (thrown) {
    const check = thrown instanceof ConfigError ? 'configuration' : 'backend'
    findings.push({ check, ok: false, found: textOf(thrown) })
    exit = exitOf(thrown)
  }
  if (exit === EXIT.done && findings.some((finding) => !finding.ok)) exit = EXIT.failed
  report(findings, guarantees, out)
  return exit
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  const ok = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
  return { check: 'node', ok, found: ok ? version : `${version}; busbar needs ${oldestMajor}.${oldestMinor} or newer` }
}

function describe({ status, adapter, reasons }: Health): string {
  return reasons.length === 0 ? `${adapter}: ${status}` : `${adapter}: ${status} (${reasons.join('; ')})`
}

function textOf(thrown: unknown): string {
  return thrown instanceof BusError ? thrown.message : describeThrown(thrown)
}

function report(findings: readonly Finding[], guarantees: readonly Guarantee[], out: Terminal): void {
  for (const { check, ok, found } of findings) out.line(`${ok ? 'ok  ' : 'FAIL'}  ${check.padEnd(14)} ${found}`)
  if (guarantees.length > 0) out.line('\nWhat this backend promises, and what was seen of it:')
  for (const { topic, promise, observed } of guarantees) out.line(`  ${topic.padEnd(20)} ${promise} (${observed})`)
  out.document({ ok: findings.every((finding) => finding.ok), findings, guarantees })
}
