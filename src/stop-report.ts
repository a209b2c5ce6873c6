/** Adds up what several pools say of their end. */
import type { StopReport } from './worker-pool-options.js'

export function mergeReports(reports: readonly StopReport[]): StopReport {
  const sum = (count: keyof StopReport): number => reports.reduce((total, report) => total + report[count], 0)
  return { finished: sum('finished'), released: sum('released'), aborted: sum('aborted') }
}
