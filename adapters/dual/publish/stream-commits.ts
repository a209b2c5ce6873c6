/** A group commit for each stream: one that an open transaction holds keeps no other waiting (PG-L1). */
import type { LedgerStream } from '../streams.js'
import { GroupCommit, type GroupCommitParts } from './group-commit.js'

export class StreamCommits {
  readonly #parts: GroupCommitParts
  readonly #commits = new Map<number, GroupCommit>()

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  of({ id }: LedgerStream): GroupCommit {
    let commit = this.#commits.get(id)
    if (commit === undefined) {
      commit = new GroupCommit(this.#parts)
      this.#commits.set(id, commit)
    }
    return commit
  }

  /** As `GroupCommit.close`, for each. */
  async close(withinMs: number): Promise<void> {
    await Promise.all([...this.#commits.values()].map((commit) => commit.close(withinMs)))
  }
}
