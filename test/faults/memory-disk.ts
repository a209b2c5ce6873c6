/**
 * Servers of a fault run keep their data in a file system of memory, where there is one that is large enough: nothing of it is lost when a
 * process is killed, and a small machine can follow. Faults of the disk and of power bring disks of their own.
 */
import { statfsSync } from 'node:fs'

const PLACE = '/dev/shm'
const NEEDED_BYTES = 4 * 1024 ** 3

/** Before any server starts: temporary folders are made there from now on. */
export function useMemory(): void {
  try {
    const { bavail, bsize } = statfsSync(PLACE)
    if (bavail * bsize >= NEEDED_BYTES) process.env.TMPDIR = PLACE
  } catch {
    // Elsewhere than on Linux there is none.
    return
  }
}
