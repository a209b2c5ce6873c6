/** A backlog consumed by one worker process, or by three that share a consumer. The processes are there before the clock starts. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Contender, Load, Prepared } from '../contender.js'
import type { Backend, PlaceAddress } from '../place.js'
import { backlogOf, newConsumer } from './backlog.js'

/** To a worker process, in this order. Without `address`: consume. */
export interface Command {
  readonly address?: PlaceAddress
  readonly consumer?: string
  readonly stop?: true
}

/** From a worker process. `cpuUs` since the command to consume. */
export interface News {
  readonly isReady?: true
  readonly handled?: number
  readonly cpuUs?: number
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const PROGRAM = new URL(`./worker-process.${EXTENSION}`, import.meta.url)

export function processes(backend: Backend, count: number, what: string): Contender {
  const { name, durability, beside } = backend
  return {
    name: `${name}-processes-${count}`,
    what,
    durability,
    beside,
    groups: ['processes'],
    messages: ({ messages }) => messages,
    prepare: (load) => prepareProcesses(backend, count, load),
  }
}

async function prepareProcesses(backend: Backend, count: number, load: Load): Promise<Prepared> {
  const place = await backlogOf(backend, load)
  const consumer = newConsumer()
  const workers = await Promise.all(Array.from({ length: count }, () => WorkerProcess.start(place.address)))
  return {
    async run() {
      const done = new Promise<void>((resolve, reject) => {
        const look = (): void => {
          const handled = workers.reduce((sum, worker) => sum + worker.handled, 0)
          if (handled >= load.messages) resolve()
        }
        for (const worker of workers) worker.listen(look, reject)
      })
      for (const worker of workers) worker.tell({ consumer })
      await done
    },
    cpuElsewhereUs: () => workers.reduce((sum, worker) => sum + worker.cpuUs, 0),
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await place.assertSettled(load.messages, consumer)
    },
  }
}

class WorkerProcess {
  handled = 0
  cpuUs = 0
  readonly #child: ChildProcess

  /** Resolves when it is connected. */
  static async start(address: PlaceAddress): Promise<WorkerProcess> {
    const child = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const worker = new WorkerProcess(child)
    worker.tell({ address })
    await once(child, 'message')
    return worker
  }

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  listen(onNews: () => void, onEnd: (error: Error) => void): void {
    this.#child.on('message', ({ handled = this.handled, cpuUs = this.cpuUs }: News) => {
      this.handled = handled
      this.cpuUs = cpuUs
      onNews()
    })
    this.#child.once('exit', (code) => onEnd(new Error(`a worker process ended with ${code}`)))
  }

  tell(command: Command): void {
    this.#child.send(command)
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.tell({ stop: true })
    await ended
  }
}
