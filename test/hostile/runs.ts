/**
 * How many generated cases a hostile test takes, and from which seed. `BUSBAR_HOSTILE_RUNS=100` multiplies them, from a new seed each time;
 * a failure prints seed and path, and `BUSBAR_HOSTILE_SEED` has the same cases again.
 */

const FACTOR = Number(process.env.BUSBAR_HOSTILE_RUNS ?? '1')
const SEED = process.env.BUSBAR_HOSTILE_SEED
/** The same cases in every ordinary run, so that a red one means a change. */
const EVERYDAY_SEED = 20_261_121
const ORDINARY_MS = 60_000

/** Settings of a property. */
export function runs(count: number): { readonly numRuns: number; readonly seed: number } {
  const seed = SEED === undefined ? (FACTOR === 1 ? EVERYDAY_SEED : Date.now() % 2 ** 31) : Number(SEED)
  return { numRuns: Math.max(1, Math.ceil(count * FACTOR)), seed }
}

/** Time limit of a test with generated cases. */
export const PATIENCE = { timeout: ORDINARY_MS * Math.max(1, FACTOR) } as const
