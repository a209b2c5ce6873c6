/** The streams that busbar keeps for itself: created when missing, by whoever comes first. What lies in them is told in `names.ts`. */
import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import type { Connection } from '../connect/connection.js'
import { clientFailure, refusalOf, SERVER } from '../failure.js'
import { insist } from '../insist.js'
import { PRESENCE_STREAM, PRESENCE_SUBJECTS, STATE_STREAM, STATE_SUBJECTS } from '../names.js'
import { findStream } from './provision.js'

const NS_PER_MS = 1_000_000
const PRESENCE_MS = 15_000

type InternalStream = Pick<StreamConfig, 'name' | 'subjects' | 'storage' | 'max_age'>

const STATE: InternalStream = { name: STATE_STREAM, subjects: [...STATE_SUBJECTS], storage: 'file', max_age: 0 }

/** In a file although it forgets so soon: a server that restarts drops streams in memory, and nobody would make it again. */
const PRESENCE: InternalStream = {
  name: PRESENCE_STREAM,
  subjects: [...PRESENCE_SUBJECTS],
  storage: 'file',
  max_age: PRESENCE_MS * NS_PER_MS,
}

/** Idempotent, and safe when several clients do it at once. @param replicas for new ones; those that are there stay as they are */
export async function ensureInternalStreams(connection: Connection, replicas: number): Promise<void> {
  await Promise.all([STATE, PRESENCE].map((stream) => ensure(connection, stream, replicas)))
}

async function ensure({ jsm }: Connection, stream: InternalStream, replicas: number): Promise<void> {
  const present = await findStream(jsm, stream.name)
  try {
    if (present === undefined) await insist(() => jsm.streams.add(toConfig(stream, replicas)))
    else if (!takesAll(present, stream)) await jsm.streams.update(stream.name, { ...present.config, ...stream })
  } catch (thrown) {
    // Somebody else was faster, and asked for another number of replicas.
    if (refusalOf(thrown) === SERVER.streamNameInUse) return
    throw clientFailure(`create stream ${stream.name}`, thrown)
  }
}

/** Everything is said, because accounts have defaults of their own (JS-L5). */
function toConfig(stream: InternalStream, replicas: number): Partial<StreamConfig> & { name: string } {
  return {
    ...stream,
    retention: 'limits',
    discard: 'old',
    max_msgs: -1,
    max_bytes: -1,
    max_msg_size: -1,
    max_msgs_per_subject: 1,
    num_replicas: replicas,
    allow_direct: true,
  }
}

/** An older busbar may have created it with fewer subjects. */
function takesAll({ config }: StreamInfo, { subjects }: InternalStream): boolean {
  return subjects.every((subject) => config.subjects.includes(subject))
}
