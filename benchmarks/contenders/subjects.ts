/**
 * 10,000 wildcard subscriptions: the index of busbar beside a bare trie with a cache by subject, which cannot remove a subscription.
 */
import { SubjectIndex } from '../../src/subject-index.js'
import { type Contender, IN_HEAP } from '../contender.js'

const PATTERNS = Array.from({ length: 10_000 }, (_, at) =>
  at % 2 === 0 ? `tenants.${at}.*.placed` : `tenants.${at}.>`,
)
const SUBJECTS = Array.from({ length: 1000 }, (_, at) => `tenants.${at * 10}.orders.placed`)
/** One match is so short that an ordinary run would measure the clock. */
const MATCHES_PER_MESSAGE = 40

export const subjectIndex: Contender = matcher(
  'subject-index',
  'busbar: SubjectIndex, 10,000 wildcard subscriptions, 1,000 subjects',
  () => {
    const index = new SubjectIndex<number>()
    for (const [at, pattern] of PATTERNS.entries()) index.add(pattern, at)
    return (subject) => index.match(subject)
  },
)

export const trieCache: Contender = matcher(
  'trie-cache',
  'a bare trie with a cache by subject, the same subscriptions',
  () => {
    const root = new Node()
    for (const [at, pattern] of PATTERNS.entries()) root.add(pattern.split('.'), 0, at)
    const cache = new Map<string, readonly number[]>()
    return (subject) => {
      const known = cache.get(subject)
      if (known !== undefined) return known
      const found: number[] = []
      root.collect(subject.split('.'), 0, found)
      cache.set(subject, found)
      return found
    }
  },
)

class Node {
  readonly children = new Map<string, Node>()
  readonly here: number[] = []

  add(tokens: readonly string[], at: number, value: number): void {
    const token = tokens[at]
    if (token === undefined) return void this.here.push(value)
    const child = this.children.get(token) ?? new Node()
    this.children.set(token, child)
    child.add(tokens, at + 1, value)
  }

  collect(tokens: readonly string[], at: number, found: number[]): void {
    const token = tokens[at]
    if (token === undefined) return void found.push(...this.here)
    found.push(...(this.children.get('>')?.here ?? []))
    this.children.get(token)?.collect(tokens, at + 1, found)
    this.children.get('*')?.collect(tokens, at + 1, found)
  }
}

function matcher(name: string, what: string, build: () => (subject: string) => readonly number[]): Contender {
  return {
    name,
    what,
    durability: IN_HEAP,
    beside: 'memory',
    groups: ['throughput'],
    isWithoutPayload: true,
    messages: (sizes) => sizes.messages * MATCHES_PER_MESSAGE,
    prepare: async ({ messages: matches }) => {
      const match = build()
      return {
        async run() {
          let found = 0
          for (let at = 0; at < matches; at++) found += match(SUBJECTS[at % SUBJECTS.length] ?? '').length
          if (found < matches) throw new Error(`${matches - found} subjects found no subscription`)
        },
        close: async () => {},
      }
    },
  }
}
