/**
 * Removes secrets from text before a person sees it (`security.md` RED-1, RED-4). Works by shape and by known value.
 */

const HIDDEN = '[redacted]'

const SHAPES: readonly (readonly [RegExp, string])[] = [
  // The password part of any URL, DSNs included. A bound on the scheme keeps the search linear; a quote ends the URL, or the
  // match could run from one field of a JSON line into another.
  [/([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@"]*:)[^\s/"]*(?=@)/gi, `$1${HIDDEN}`],
  // In a NATS URL, a user part without a colon is a token.
  [/\b((?:nats|tls|wss?):\/\/)[^\s:/@"]+(?=@)/gi, `$1${HIDDEN}`],
  // To the end of the text when the block has none: it was cut off, and the search stays linear.
  [/-----BEGIN [A-Z ]*(?:KEY|SEED)-----[\s\S]*?(?:-----END [A-Z ]*(?:KEY|SEED)-----|$)/g, HIDDEN],
  // nkey seeds (base32, 58 characters) and JWTs, whose first part is short: the bound keeps the search linear.
  [/\bS[UACOXN][A-Z2-7]{56}\b/g, HIDDEN],
  [/\beyJ[\w-]{1,512}\.[\w-]+\.[\w-]*/g, HIDDEN],
  [/\b((?:password|passwd|pwd|secret|token|api[_-]?key)"?\s*[:=]\s*"?)[^\s"',;&}]+/gi, `$1${HIDDEN}`],
  [/\b(bearer|basic)\s+[\w+/=.-]{8,}/gi, `$1 ${HIDDEN}`],
]

/** @param secrets known values; their URL-encoded and base64 forms are hidden too (RED-5) */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text
  for (const secret of secrets) {
    for (const form of secretForms(secret)) clean = clean.replaceAll(form, HIDDEN)
  }
  for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement)
  return clean
}

function secretForms(secret: string): string[] {
  if (secret.length === 0) return []
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]
}
