/**
 * A disk that can lose its power: an ext4 image of its own, mounted where a server keeps its data. Everything that was not synced is gone
 * after `cutPower`; what was synced is there. Needs Linux and root; nothing outside the image is touched.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, open, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SIZE_BYTES = 4 * 1024 ** 3
/** `FS_IOC_SHUTDOWN` without flushing the log: the file system drops what is not on disk and answers EIO from then on. */
const SHUTDOWN = 'open(my $d, "<", $ARGV[0]) or die $!; my $f = pack("L", 2); ioctl($d, 0x8004587D, $f) or die $!'
const BLOCK = 8192

export class Disk {
  readonly path: string
  readonly #folder: string

  private constructor(folder: string, path: string) {
    this.#folder = folder
    this.path = path
  }

  /** @param path an empty folder, where the disk is mounted */
  static async mount(path: string): Promise<Disk> {
    const disk = new Disk(await mkdtemp(join(tmpdir(), 'busbar-disk-')), path)
    await writeFile(disk.#image, '')
    await truncate(disk.#image, SIZE_BYTES)
    await run('mkfs.ext4', ['-q', '-F', disk.#image])
    await disk.powerOn()
    return disk
  }

  async powerOn(): Promise<void> {
    // The longest interval between commits of the journal widens the window in which a real machine would lose as much.
    await run('mount', ['-o', 'loop,commit=60', this.#image, this.path])
  }

  /** Everything that was written so far is on the disk. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.path])
  }

  /** From now on nothing reaches the disk. Whoever uses it has to be ended before `powerOff`. */
  async cutPower(): Promise<void> {
    await run('perl', ['-e', SHUTDOWN, this.path])
  }

  async powerOff(): Promise<void> {
    await run('umount', [this.path])
  }

  async remove(): Promise<void> {
    await this.powerOff().catch(() => {})
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Proves that the cut loses what was not synced, and nothing else. Throws when it does not: then no figure means anything. */
  async prove(): Promise<void> {
    const [synced, unsynced] = [join(this.path, 'synced'), join(this.path, 'unsynced')]
    const file = await open(synced, 'w')
    await file.write(Buffer.alloc(BLOCK, 1))
    await file.sync()
    const folder = await open(this.path, 'r')
    await folder.sync()
    await folder.close()
    await file.write(Buffer.alloc(BLOCK, 2))
    await writeFile(unsynced, Buffer.alloc(BLOCK, 3))
    await this.cutPower()
    const refused = await writeFile(join(this.path, 'late'), 'late').then(
      () => false,
      () => true,
    )
    await file.close().catch(() => {})
    await this.powerOff()
    await this.powerOn()
    const kept = (await stat(synced)).size
    const isThere = await stat(unsynced).then(
      () => true,
      () => false,
    )
    if (!refused || kept !== BLOCK || isThere)
      throw new Error(`the power cut does not cut: ${kept} bytes of ${BLOCK} kept, unsynced file kept: ${isThere}`)
    await rm(synced)
  }

  get #image(): string {
    return join(this.#folder, 'image')
  }
}
