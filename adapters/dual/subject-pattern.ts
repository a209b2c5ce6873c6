/** Subject patterns as regular expressions of PostgreSQL, for statements that select by subject. */

/** Matches the subjects that any of the patterns takes, and no others. */
export function patternOf(filters: readonly string[]): string {
  return `^(?:${filters.map(expression).join('|')})$`
}

function expression(filter: string): string {
  return filter
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : escaped(token)))
    .join('\\.')
}

function escaped(token: string): string {
  return token.replace(/[^A-Za-z0-9_]/g, (character) => `\\${character}`)
}
