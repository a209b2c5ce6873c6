/**
 * The part of Standard Schema 1.0 (https://standardschema.dev) that busbar calls. zod, valibot and arktype schemas have this shape.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** `items.0.price: expected number; total: required` */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => `${issuePath(issue)}: ${issue.message}`).join('; ')
}

function issuePath(issue: SchemaIssue): string {
  const keys = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
  return keys.length === 0 ? '(root)' : keys.join('.')
}
