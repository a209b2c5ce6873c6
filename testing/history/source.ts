/** The file of one process that ever lived, and what must hold from one of its lines to the next. */
import type { Line } from './event.js'

export interface Source {
  readonly file: string
  proc: string
  pid: number
  run: string
  lines: number
  /** Of its last line: it was alive until then at least. */
  lastAt: number
  /** When it had written all; undefined for a process that was killed. */
  closedAt: number | undefined
}

export function sourceOf(file: string): Source {
  return { file, proc: '', pid: 0, run: '', lines: 0, lastAt: 0, closedAt: undefined }
}

/** Notes the line as the next one of its process. @returns what is wrong with that */
export function follow(source: Source, line: Line, at: number): string | undefined {
  if (source.lines === 0) Object.assign(source, { pid: line.pid, run: line.run })
  const before = source.lastAt
  source.lines++
  source.lastAt = Math.max(before, at)
  if (line.n !== source.lines) return `is line ${line.n} of its process and should be ${source.lines}`
  if (source.closedAt !== undefined) return 'comes after the end of its process'
  if (!isOfIt(source, line)) return 'is of another process'
  if (line.run !== source.run) return 'is of another run'
  return at < before ? 'goes back in time' : undefined
}

function isOfIt(source: Source, line: Line): boolean {
  if (line.pid !== source.pid) return false
  // This event has a `proc` of its own, of whom it tells, in the place of the writer's.
  if (line.ev === 'state.process') return true
  if (source.proc === '') source.proc = line.proc
  return line.proc === source.proc
}
