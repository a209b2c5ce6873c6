/** Places that hold so many messages already, shared by all who only read them or have a consumer of their own. */
import { IN_FLIGHT, type Load } from '../contender.js'
import { publishAll } from '../load.js'
import { type Backend, openBus, type Place } from '../place.js'

const known = new Map<string, Promise<Place>>()
let consumers = 0

/** Published by the bus, once in a run. */
export function backlogOf(backend: Backend, load: Load): Promise<Place> {
  const name = `${backend.name} ${load.messages} ${load.order.note.length}`
  const place = known.get(name) ?? fill(backend, load)
  known.set(name, place)
  return place
}

/** Filled by the bus, and nobody else's. */
export async function fill(backend: Backend, load: Load): Promise<Place> {
  const place = await backend.create()
  const bus = await openBus(place.address)
  await publishAll({ publish: (order) => bus.publish(place.subject, order) }, load, IN_FLIGHT)
  await place.assertStored(load.messages)
  await bus.close()
  return place
}

/** The name of a consumer that nobody has. */
export function newConsumer(): string {
  return `billing-${process.pid}-${++consumers}`
}
