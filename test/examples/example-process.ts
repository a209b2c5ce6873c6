/**
 * Runs a TypeScript program of this repository as its own process, as a user would, and collects what it says.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ExampleProcess {
  readonly ended: Promise<Ended>
  /** Resolves once standard output holds the text; rejects when the process ends without it. */
  said(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
}

/** @param script relative to the root of the repository */
export function runExample(
  script: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): ExampleProcess {
  const { MESSAGE_BUS: _, ...inherited } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: ROOT,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const heard = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const hear of heard) hear()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  return {
    ended,
    said: (text) =>
      new Promise((resolve, reject) => {
        const hear = () => {
          if (stdout.includes(text)) resolve()
        }
        heard.add(hear)
        hear()
        ended.then(() => reject(new Error(`ended without saying "${text}": ${stdout}${stderr}`)), reject)
      }),
    kill: (signal) => void child.kill(signal),
  }
}
