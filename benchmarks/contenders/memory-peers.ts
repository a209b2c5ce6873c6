/**
 * What people use inside one process: an event emitter, a queue, a subject. None of them copies a message, keeps it, or tries again; those
 * that answer say when the handler is done.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import Emittery from 'emittery'
import { EventEmitter } from 'eventemitter3'
import fastq from 'fastq'
import { catchError, defer, EMPTY, filter, mergeMap, Subject } from 'rxjs'
import { type Contender, IN_FLIGHT, IN_HEAP, type Load, type Order, type Prepared } from '../contender.js'
import { Handled } from '../load.js'
import { fanOut } from '../work/fan-out.js'

const SUBJECT = 'orders.placed'
/** Kinds of events of an application, one handler each. */
const KINDS = 100
const CONCURRENCY = 64

type Handle = (order: Order) => Promise<void>
/** Returns a promise where the product has one. */
type Dispatch = (order: Order) => unknown

export const memoryPeers: readonly Contender[] = [
  peer('eventemitter3', 'eventemitter3: emit to one listener; nothing is awaited', 100, (handle) => {
    const emitter = new EventEmitter()
    emitter.on(SUBJECT, handle)
    return (order) => emitter.emit(SUBJECT, order)
  }),
  peer('emittery', `emittery: emit to one listener, awaited, ${IN_FLIGHT} at a time`, 2, (handle) => {
    const emitter = new Emittery<Record<string, Order>>()
    emitter.on(SUBJECT, handle)
    return (order) => emitter.emit(SUBJECT, order)
  }),
  peer('fastq', `fastq.promise: push, awaited, ${IN_FLIGHT} at a time, concurrency ${CONCURRENCY}`, 10, (handle) => {
    const queue = fastq.promise(handle, CONCURRENCY)
    return (order) => queue.push(order)
  }),
  peer(
    'rxjs-nest',
    `RxJS subject as @nestjs/cqrs dispatches: ${KINDS} handlers, a filter, mergeMap and a promise each; nothing is awaited`,
    1,
    dispatchAsNest,
  ),
]

export function eventEmitterHub(subscribers: number): Contender {
  const name = `eventemitter3-fan-out-${subscribers}`
  const what = `eventemitter3: ${subscribers} listeners`
  return fanOut({ name, what, durability: IN_HEAP, beside: 'memory' }, subscribers, async () => {
    const emitter = new EventEmitter()
    return {
      publish: (order) => emitter.emit(SUBJECT, order),
      subscribe: async (hear) => emitter.on(SUBJECT, hear),
      close: async () => emitter.removeAllListeners(),
    }
  })
}

/** @param times as many messages as an ordinary run has, so that a run takes long enough for the clock */
function peer(name: string, what: string, times: number, open: (handle: Handle) => Dispatch): Contender {
  return {
    name,
    what,
    durability: IN_HEAP,
    beside: 'memory',
    groups: ['throughput'],
    messages: ({ messages }) => messages * times,
    prepare: async (load) => prepareDispatch(load, open),
  }
}

function prepareDispatch(load: Load, open: (handle: Handle) => Dispatch): Prepared {
  const { messages, order } = load
  const handled = new Handled(load)
  const dispatch = open(handled.handle)
  return {
    async run() {
      for (let sent = 0; sent < messages; ) {
        const window: unknown[] = []
        for (; window.length < IN_FLIGHT && sent < messages; sent++) window.push(dispatch(order))
        if (window[0] instanceof Promise) await Promise.all(window)
        // As in `memory.ts`. Handlers that nobody awaits would pile up without it, which RxJS cannot bear.
        await nextTurn()
      }
      await handled.all
    },
    close: async () => {},
  }
}

interface Event {
  readonly kind: string
  readonly order: Order
}

/** Each handler has a filter of its own on the one subject, and is called through `mergeMap` and `defer`; a failure ends nothing. */
function dispatchAsNest(handle: Handle): Dispatch {
  const events = new Subject<Event>()
  for (let at = 0; at < KINDS; at++) {
    const kind = at === 0 ? SUBJECT : `orders.${at}`
    const call = mergeMap(({ order }: Event) => defer(() => handle(order)).pipe(catchError(() => EMPTY)))
    events
      .pipe(
        filter((event) => event.kind === kind),
        call,
      )
      .subscribe()
  }
  return (order) => events.next({ kind: SUBJECT, order })
}
