/**
 * `npm run bench`: contenders side by side in one run, ratios against the goals. Only the ratios mean something on a shared machine.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { compare, differenceTable, verdictOf } from './compare.js'
import { PAYLOAD_BYTES } from './contender.js'
import { contenders } from './contenders/index.js'
import { goals } from './goals.js'
import { withGoals, withTables } from './markdown.js'
import { help, type Options, readOptions, UsageError } from './options.js'
import { packageVersions, type Report, report, type Skipped } from './report.js'
import { idleMb, withResident } from './resident.js'
import { type Entry, runRounds } from './rounds.js'
import { addresses, stopServers } from './servers.js'
import { toSvg } from './svg.js'
import { aligned, describe, progress } from './terminal.js'

const EXIT_USAGE = 2

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args, contenders)
  if (options === undefined) return console.log(help(contenders))
  const result = await measure(options)
  await keep(options, result)
  if (options.json === '-') return
  if (options.isQuick) console.log('A smoke run: these figures say nothing about speed.')
  for (const line of describe(result)) console.log(line)
  if (options.before === undefined) return
  const differences = compare(options.before, result)
  for (const line of ['', verdictOf(differences), ...aligned(differenceTable(differences))]) console.log(line)
}

async function measure({ entries, plan }: Options): Promise<Report> {
  const { able, skipped } = await ablest(entries)
  const onTurn = progress()
  const rows = await runRounds(able, plan, onTurn)
  if (!plan.resident) return report(rows, plan, { versions: await versions(), skipped })
  const measured = await withResident(able, rows, plan, onTurn)
  return report(measured, plan, { versions: await versions(), skipped, idleMb: await idleMb() })
}

/** Those that this machine can run, and why the others cannot. */
async function ablest(entries: readonly Entry[]): Promise<{ able: Entry[]; skipped: Skipped[] }> {
  const able: Entry[] = []
  const skipped: Skipped[] = []
  for (const entry of entries) {
    const reason = await entry.contender.missing?.()
    if (reason === undefined) able.push(entry)
    else skipped.push({ contender: entry.contender.name, reason })
  }
  return { able, skipped }
}

async function versions(): Promise<Record<string, string>> {
  const servers = Object.entries(await addresses()).map(([kind, { version }]) => [kind, version])
  return { ...packageVersions(), ...Object.fromEntries(servers) }
}

async function keep({ json, markdown, svg, isOfGoals }: Options, result: Report): Promise<void> {
  if (json === '-') console.log(JSON.stringify(result))
  else if (json !== undefined) await writeFile(json, `${JSON.stringify(result)}\n`)
  if (svg !== undefined) await writeFile(svg, toSvg(result))
  if (markdown === undefined) return
  const text = existsSync(markdown) ? await readFile(markdown, 'utf8') : '# Benchmarks\n'
  const tables = isOfGoals ? text : withTables(text, result)
  // A run of everything holds all goals, too.
  const ratios = result.ratios.filter(({ payloadBytes }) => payloadBytes === PAYLOAD_BYTES)
  const holdsAll = isOfGoals || ratios.length === goals.length
  await writeFile(markdown, holdsAll ? withGoals(tables, { ...result, ratios }) : tables)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1
} finally {
  await stopServers()
}
