#!/usr/bin/env node
/**
 * The command `busbar`. This file owns the process: arguments, environment, exit code. Each command is a file in `cli/`.
 */
import { Command, CommanderError } from 'commander'
import { doctor } from './cli/doctor.js'
import { migrate } from './cli/migrate.js'
import { type RepairSettings, repair } from './cli/repair.js'
import { run } from './cli/run.js'
import { EXIT, exitOf, type Terminal, terminal } from './cli/terminal.js'
import { type VerifySettings, verify } from './cli/verify.js'
import { version } from './cli/version.js'

// What a module leaves open, such as a timer or a connection, must not keep a drained process alive; it may take this long to close.
const GRACE_MS = 1000

const EXIT_CODES = `
Exit codes:
  0    done
  1    failed; verify and repair: the ledger and the backend behind it differ
  2    wrong arguments
  78   wrong configuration; every problem is listed
  130  ended at once by a second SIGINT
  143  ended at once by a second SIGTERM

The backend and its settings come from the environment; .env.example lists every variable. Secrets are never taken from arguments.`

function program(): Command {
  const busbar = new Command('busbar')
    .description('Runs and inspects a busbar message bus.')
    .version(version())
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
  busbar
    .command('run')
    .description('runs the workers of a module until SIGTERM or SIGINT, then drains them')
    .argument('<module>', 'exports start(bus), and streams when it declares any')
    .option('--json', 'print one JSON document')
    .action((module: string, options: Json) => perform(options, (out) => run(module, process, out)))
  busbar
    .command('doctor')
    .description('checks Node, the configuration and the backend, and tells what is guaranteed')
    .option('--json', 'print one JSON document')
    .action((options: Json) => perform(options, (out) => doctor(process, out)))
  addLedgerCommands(busbar)
  return busbar
}

/** Of MESSAGE_BUS=dual. */
function addLedgerCommands(busbar: Command): void {
  busbar
    .command('verify')
    .description('compares the ledger with the backend behind it; repairs nothing')
    .option('--stream <name>', 'only this stream')
    .option('--json', 'print one JSON document')
    .action((options: VerifySettings & Json) => perform(options, (out) => verify(options, process, out)))
  busbar
    .command('repair')
    .description('tells what the backend behind the ledger has lost, and sends it again with --yes')
    .option('--stream <name>', 'only this stream')
    .option('--yes', 'do it')
    .option('--import', 'take in messages that do not come from the ledger')
    .option('--json', 'print one JSON document')
    .action((options: RepairSettings & Json) => perform(options, (out) => repair(options, process, out)))
  busbar
    .command('migrate')
    .description("brings the ledger's schema up to date")
    .option('--json', 'print one JSON document')
    .action((options: Json) => perform(options, (out) => migrate(process, out)))
}

interface Json {
  readonly json?: boolean
}

async function perform({ json = false }: Json, command: (out: Terminal) => Promise<number>): Promise<void> {
  const out = terminal(json)
  try {
    process.exitCode = await command(out)
  } catch (thrown) {
    out.failure(thrown)
    process.exitCode = exitOf(thrown)
  }
  setTimeout(() => process.exit(), GRACE_MS).unref()
}

try {
  await program().parseAsync()
} catch (thrown) {
  if (!(thrown instanceof CommanderError)) throw thrown
  process.exitCode = thrown.exitCode === 0 ? EXIT.done : EXIT.usage
}
