/**
 * The one schema that the scenarios use, written against Standard Schema so that the suite needs no schema library.
 */
import type { StandardSchema } from '../../src/standard-schema.js'

export interface Numbered {
  readonly n: number
}

export const numbered: StandardSchema<Numbered> = {
  '~standard': {
    version: 1,
    vendor: 'busbar',
    validate: (value) => (isNumbered(value) ? { value } : { issues: [{ message: 'expected a number', path: ['n'] }] }),
  },
}

function isNumbered(value: unknown): value is Numbered {
  return typeof value === 'object' && value !== null && 'n' in value && typeof value.n === 'number'
}
