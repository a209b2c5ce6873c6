/** Histories of test runs: how they are written, read and judged. Nothing in this folder knows the bus. */
export { type CheckOptions, check, type Exemption, type Report, type RuleReport, type Verdict } from './check.js'
export type * from './event.js'
export type { Figures, Recovery, Spread } from './figures.js'
export type { History } from './history.js'
export { readHistory } from './read.js'
export { HistoryFile } from './recorder.js'
export { reportText } from './report.js'
export type { Finding, RuleCode, Witness } from './rule.js'
