/**
 * A history as the rules see it: everything that was said of each id, the groups, the faults and the final state. It is filled line by line
 * (`take`), sealed once, and then only read. What cannot be true of a whole history is kept as a problem, never thrown.
 */
import type { Content, ControlEvent, HandlerEvent, Line, PublishEvent, StateEvent } from './event.js'
import { Faults } from './faults.js'
import {
  Attempt,
  appended,
  type Fault,
  type Group,
  Message,
  type Moment,
  type Place,
  Publish,
  type Replay,
  type StoreName,
} from './records.js'
import { follow, type Source, sourceOf } from './source.js'

type Of<Event, Ev> = Extract<Event, { ev: Ev }>
export type Config = Of<ControlEvent, 'config'>
/** Whether all was drained, and where it says so. */
export type Quiesce = Moment & { readonly drained: boolean }
export type ProcessEnd = Of<StateEvent, 'state.process'> & Place

/** Problems beyond these are only counted. */
const MAX_PROBLEMS = 20

interface Look {
  /** Times that it was listed in full. */
  looks: number
  /** Messages since the last time that it was. */
  open: number
}

export class History {
  readonly sources: Source[] = []
  readonly messages = new Map<string, Message>()
  readonly groups = new Map<string, Group>()
  readonly heals: Moment[] = []
  readonly quiesces: Quiesce[] = []
  readonly replays: Replay[] = []
  readonly orphans: (Place & { readonly what: string })[] = []
  readonly processes: ProcessEnd[] = []
  /** Why the history is not whole; none of its verdicts stands then. */
  readonly problems: string[] = []
  problemCount = 0
  config: Config | undefined
  faults = new Faults([], [], [])
  readonly #faults: Fault[] = []
  #hasDead = false
  readonly #stores = new Map<StoreName, Look>()
  readonly #strings = new Map<string, string>()
  /** Publishes without an end yet, by process and operation. */
  readonly #open = new Map<Source, Map<string, Publish>>()

  problem(text: string): void {
    this.problemCount++
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(text)
  }

  /** The file of a further process. */
  source(file: string): Source {
    const source = sourceOf(file)
    this.sources.push(source)
    this.#open.set(source, new Map())
    return source
  }

  /** @param number of the line in its file, from 1 */
  take(source: Source, line: Line, number: number): void {
    const at = Number(line.mono_ns) / 1e6
    const wrong = follow(source, line, at)
    if (wrong !== undefined) this.problem(`${source.file}:${number} ${wrong}`)
    const problem = this.#dispatch({ source, line: number }, line, at)
    if (problem !== undefined) this.problem(`${source.file}:${number} ${problem}`)
  }

  /** To be called once, after the last line. */
  seal(): this {
    for (const source of this.sources) {
      if (source.lines === 0) this.problem(`${source.file} is empty`)
      else if (source.run !== this.sources[0]?.run) this.problem(`${source.file} is of another run`)
    }
    if (this.config === undefined) this.problem('no line says how the run was configured')
    if (this.quiesces.length === 0) this.problem('no line says that it came to rest')
    for (const group of this.groups.values()) this.#sealGroup(group)
    for (const [store, { open }] of this.#stores)
      if (open > 0) this.problem(`the list of the ${store} was not finished`)
    for (const message of this.messages.values()) {
      if (message.attempts.length > 1) message.attempts = message.attempts.toSorted((a, b) => a.startedAt - b.startedAt)
    }
    this.faults = new Faults(this.#faults, this.heals, this.sources)
    this.#strings.clear()
    this.#open.clear()
    return this
  }

  /** How often a store was listed in full; 0 when it is not judged. */
  looksAt(store: StoreName): number {
    return this.#stores.get(store)?.looks ?? 0
  }

  /** Whether somebody looked for dead letters: whoever lists a store does, and then a missing one is missing. */
  get listsDeadLetters(): boolean {
    return this.#hasDead || this.#stores.size > 0
  }

  /** The last moment that any process wrote of. */
  get endAt(): number {
    return this.sources.reduce((last, { lastAt }) => Math.max(last, lastAt), 0)
  }

  #sealGroup(group: Group): void {
    group.rules = this.config?.groups.find((rules) => rules.group === group.name)
    if (group.rules === undefined) this.problem(`group "${group.name}" is not in the configuration`)
    else group.hasEffects = group.rules.transactional && (group.hasEffects || group.left !== undefined)
  }

  #dispatch(place: Place, line: Line, at: number): string | undefined {
    switch (line.ev) {
      case 'pub.invoke':
        return this.#invoke(place, line, at)
      case 'pub.ok':
      case 'pub.fail':
      case 'pub.unknown':
        return this.#end(place, line, at)
      case 'h.start':
        this.#start(place, line, at)
        return undefined
      case 'h.effect':
      case 'h.settle':
      case 'h.settle.unknown':
        return this.#proceed(place, line, at)
      case 'close':
        place.source.closedAt = at
        return undefined
      default:
        return this.#observe(place, line, at)
    }
  }

  #invoke(place: Place, line: Of<Line, 'pub.invoke'>, at: number): string | undefined {
    const open = this.#open.get(place.source)
    if (open?.has(line.op)) return `begins operation "${line.op}" again`
    const message = this.#message(line.id)
    const publish = new Publish(place.source, place.line, at, this.#content(message, line), line)
    message.publishes = appended(message.publishes, publish)
    open?.set(line.op, publish)
    return undefined
  }

  #end(place: Place, line: Exclude<PublishEvent, { ev: 'pub.invoke' }>, at: number): string | undefined {
    const open = this.#open.get(place.source)
    const publish = open?.get(line.op)
    if (publish === undefined) return `ends operation "${line.op}", which is not under way`
    publish.end(line, at, place.line)
    open?.delete(line.op)
    return undefined
  }

  #start(place: Place, line: Of<Line, 'h.start'>, at: number): void {
    const message = this.#message(line.id)
    const content = this.#content(message, line)
    const group = this.#group(line.group)
    const attempt = new Attempt(place.source, place.line, at, content, group, line.attempt)
    message.attempts = appended(message.attempts, attempt)
  }

  /** An effect or a settlement of the latest such start in this process that has not ended: it may have begun with two copies of a message. */
  #proceed(place: Place, line: Exclude<HandlerEvent, { ev: 'h.start' }>, at: number): string | undefined {
    const attempts = this.messages.get(line.id)?.attempts ?? []
    const isOfIt = ({ source, group, number }: Attempt): boolean =>
      source === place.source && number === line.attempt && group.name === line.group
    const started = attempts.findLast((each) => isOfIt(each) && each.how === undefined) ?? attempts.findLast(isOfIt)
    if (started === undefined) return `goes on with "${line.id}" (${line.group}, ${line.attempt}), which did not start`
    if (line.ev === 'h.effect') started.effects++
    else if (started.how !== undefined) return `settles "${line.id}" (${line.group}, ${line.attempt}) again`
    else started.settle(line, at, place.line)
    return undefined
  }

  #observe(place: Place, line: Line, at: number): string | undefined {
    switch (line.ev) {
      case 'config':
        return this.#configure(line)
      case 'fault.begin': {
        const { id, kind, target } = line
        this.#faults.push({ ...place, id, kind, target, beganAt: at, endedAt: Number.POSITIVE_INFINITY })
        return undefined
      }
      case 'fault.end':
        return this.#endFault(line.id, at)
      case 'heal':
        this.heals.push({ ...place, at })
        return undefined
      case 'quiesce':
        this.quiesces.push({ ...place, at, drained: line.drained })
        return undefined
      default:
        return this.#find(place, line)
    }
  }

  #configure(line: Config): string | undefined {
    if (this.config !== undefined) return 'configures the run again'
    this.config = line
    for (const { group } of line.groups) this.#group(group)
    return undefined
  }

  #endFault(id: string, at: number): string | undefined {
    const fault = this.#faults.find((each) => each.id === id && each.endedAt === Number.POSITIVE_INFINITY)
    if (fault === undefined) return `ends fault "${id}", which did not begin`
    fault.endedAt = at
    return undefined
  }

  /** What was there in the end. */
  #find(place: Place, line: Line): string | undefined {
    if (line.ev === 'state.message') this.#store(place, line)
    else if (line.ev === 'state.store') return this.#finishLook(line)
    else if (line.ev === 'state.effect') {
      const group = this.#group(line.group)
      group.hasEffects = true
      const message = this.#message(line.id)
      message.effects = appended(message.effects, { ...place, group, attempt: line.attempt })
    } else if (line.ev === 'state.dead') {
      this.#hasDead = true
      const message = this.#message(line.id)
      message.dead = appended(message.dead, { ...place, group: this.#group(line.group), attempts: line.attempts })
    } else if (line.ev === 'state.group') this.#group(line.group).left = { ...line, ...place }
    else if (line.ev === 'state.replay') this.replays.push({ ...place, reader: line.reader, ids: line.ids })
    else if (line.ev === 'state.orphan') this.orphans.push({ ...place, what: line.what })
    else if (line.ev === 'state.process') this.processes.push({ ...line, ...place })
    return undefined
  }

  #store(place: Place, line: Of<Line, 'state.message'>): void {
    const look = this.#look(line.store)
    look.open++
    const message = this.#message(line.id)
    const { store, seq, again = false } = line
    const content = this.#content(message, line)
    const found = { source: place.source, line: place.line, store, look: look.looks + 1, seq, content, again }
    message.stored = appended(message.stored, found)
  }

  #finishLook({ store, messages }: Of<Line, 'state.store'>): string | undefined {
    const look = this.#look(store)
    const listed = look.open
    look.looks++
    look.open = 0
    return listed === messages ? undefined : `says ${messages} messages of the ${store}, of which ${listed} are listed`
  }

  #look(store: StoreName): Look {
    return emplace(this.#stores, store, () => ({ looks: 0, open: 0 }))
  }

  #message(id: string): Message {
    return emplace(this.messages, id, () => new Message(id))
  }

  #group(name: string): Group {
    return emplace(this.groups, name, () => ({ name, rules: undefined, left: undefined, hasEffects: false }))
  }

  /** The same object for the same content of an id, so that it is kept once and compared at once. */
  #content(message: Message, { topic, key, hash, hdr_hash }: Content): Content {
    const isSame = (known: Content): boolean =>
      known.hash === hash && known.hdr_hash === hdr_hash && known.topic === topic && known.key === key
    const known = message.contents.find(isSame)
    if (known !== undefined) return known
    const rest = { topic: this.#shared(topic), hash, hdr_hash: this.#shared(hdr_hash) }
    const content = key === undefined ? rest : { ...rest, key: this.#shared(key) }
    message.contents = appended(message.contents, content)
    return content
  }

  /** Few topics, keys and header hashes are shared by many messages. */
  #shared(text: string): string {
    return emplace(this.#strings, text, () => text)
  }
}

function emplace<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
