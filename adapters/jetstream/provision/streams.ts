/** The streams that this client declared: which one takes a subject. What the server knows of them is `provision.ts`. */
import { SubjectIndex } from '../../../src/subject-index.js'
import type { ResolvedStream } from '../../../src/topology.js'

export class Streams {
  readonly #byName = new Map<string, ResolvedStream>()
  #bySubject = new SubjectIndex<ResolvedStream>()

  declare(streams: readonly ResolvedStream[]): void {
    for (const stream of streams) this.#byName.set(stream.name, stream)
    this.#bySubject = new SubjectIndex()
    for (const stream of this.#byName.values()) {
      for (const subject of stream.subjects) this.#bySubject.add(subject, stream)
    }
  }

  get all(): readonly ResolvedStream[] {
    return [...this.#byName.values()]
  }

  get(name: string): ResolvedStream | undefined {
    return this.#byName.get(name)
  }

  /** The declared stream that takes a subject. */
  find(subject: string): ResolvedStream | undefined {
    return this.#bySubject.match(subject)[0]
  }
}
