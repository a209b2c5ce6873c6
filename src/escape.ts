/**
 * Reversible escapes for text that must fit a narrower alphabet: a UTF-16 unit becomes `%XX` or `%uXXXX`, so that any string survives,
 * half a surrogate pair included (which `encodeURIComponent` refuses).
 */

/** @param unsafe a global expression that matches every unit to escape, `%` among them */
export function escapeUnits(value: string, unsafe: RegExp): string {
  return value.replace(unsafe, escapeUnit)
}

function escapeUnit(unit: string): string {
  const code = unit.charCodeAt(0)
  return code < 0x100 ? `%${hex(code, 2)}` : `%u${hex(code, 4)}`
}

function hex(code: number, width: number): string {
  return code.toString(16).toUpperCase().padStart(width, '0')
}

/** Text without escapes comes back unchanged. */
export function unescapeUnits(text: string): string {
  return text.replace(/%u([0-9A-F]{4})|%([0-9A-F]{2})/g, (_, wide: string | undefined, narrow: string | undefined) =>
    String.fromCharCode(Number.parseInt(wide ?? narrow ?? '0', 16)),
  )
}
