/**
 * From a subject to everything that listens to it: a trie of tokens with `*` and `>`, and a cache by subject. The answer is the same as
 * matching every pattern in turn, in the order of adding; it costs one map lookup for a subject seen before.
 */

interface Node<Value> {
  readonly children: Map<string, Node<Value>>
  /** Entries whose pattern ends here. */
  readonly here: Set<Entry<Value>>
  /** Entries whose pattern ends with `>` after this node. */
  readonly below: Set<Entry<Value>>
}

interface Entry<Value> {
  readonly order: number
  readonly value: Value
}

const CACHE_MAX = 50_000

export class SubjectIndex<Value> {
  readonly #root: Node<Value> = newNode()
  readonly #cache = new Map<string, readonly Value[]>()
  #order = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a checked pattern. @returns removes it again; calling it twice does nothing */
  add(pattern: string, value: Value): () => void {
    const entry: Entry<Value> = { order: this.#order++, value }
    const tokens = pattern.split('.')
    const below = tokens.at(-1) === '>'
    if (below) tokens.pop()
    const path = this.#walk(tokens)
    const end = path.at(-1) ?? this.#root
    const entries = below ? end.below : end.here
    entries.add(entry)
    this.#size++
    this.#cache.clear()
    return () => {
      if (!entries.delete(entry)) return
      this.#size--
      this.#cache.clear()
      this.#prune(tokens)
    }
  }

  /** The values whose pattern takes the subject, in the order they were added. Do not change the list. */
  match(subject: string): readonly Value[] {
    const cached = this.#cache.get(subject)
    if (cached !== undefined) return cached
    const found: Entry<Value>[] = []
    collect(this.#root, subject.split('.'), 0, found)
    const values = found.sort((a, b) => a.order - b.order).map((entry) => entry.value)
    if (this.#cache.size >= CACHE_MAX) this.#cache.clear()
    this.#cache.set(subject, values)
    return values
  }

  #walk(tokens: readonly string[]): Node<Value>[] {
    const path = [this.#root]
    let node = this.#root
    for (const token of tokens) {
      const child = node.children.get(token) ?? newNode<Value>()
      node.children.set(token, child)
      path.push(child)
      node = child
    }
    return path
  }

  /** Drops the nodes of a removed pattern that nothing else uses, so that short-lived patterns leave no trace. */
  #prune(tokens: readonly string[]): void {
    const path = this.#walk(tokens)
    for (let depth = tokens.length; depth > 0; depth--) {
      const node = path[depth]
      if (node === undefined || node.children.size > 0 || node.here.size > 0 || node.below.size > 0) return
      path[depth - 1]?.children.delete(tokens[depth - 1] ?? '')
    }
  }
}

function newNode<Value>(): Node<Value> {
  return { children: new Map(), here: new Set(), below: new Set() }
}

function collect<Value>(node: Node<Value>, tokens: readonly string[], at: number, found: Entry<Value>[]): void {
  if (at === tokens.length) {
    for (const entry of node.here) found.push(entry)
    return
  }
  for (const entry of node.below) found.push(entry)
  const exact = node.children.get(tokens[at] ?? '')
  if (exact !== undefined) collect(exact, tokens, at + 1, found)
  const any = node.children.get('*')
  if (any !== undefined) collect(any, tokens, at + 1, found)
}
