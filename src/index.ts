/** `busbar`: everything that is the same for every backend. Loads no backend. */
export type {
  Adapter,
  AdapterHost,
  AdapterReport,
  Capabilities,
  ConsumerReport,
  Delivery,
  Feed,
  Guarantee,
  Listener,
  Listening,
  ProvisionReport,
  PublishOutcome,
  ReadQuery,
  Settlement,
  Signal,
  Sink,
  StreamReport,
} from './adapter.js'
export { createBus } from './bus.js'
export type { BusDefaults, BusOptions } from './bus-options.js'
export { type Clock, systemClock, type Timer } from './clock.js'
export type { DeadLetter, DeadLetterSelection, DeadLetters } from './dead-letter.js'
export type { Duration } from './duration.js'
export {
  BusError,
  type BusErrorCode,
  isBusError,
  NotAcceptedError,
  OutcomeUnknownError,
  PublishBatchError,
  Reject,
  RetryLater,
} from './errors.js'
export type { QueryResult, RepairReport, VerifyReport } from './ledger.js'
export { jsonLogger, type Logger, type LogLevel, silentLogger } from './logger.js'
export type { Headers, Message, Outgoing, StoredMessage } from './message.js'
export type {
  BatchEntry,
  BusReport,
  BusState,
  CallOptions,
  ConsumerDefinition,
  Filter,
  Health,
  HistoryQuery,
  MessageBus,
  MessageOf,
  PublishOptions,
  RepairQuery,
  ReplayQuery,
  Stop,
  SubscribeOptions,
} from './message-bus.js'
export type { Durability, Receipt } from './receipt.js'
export type { DeadReason, RetryOptions } from './retry.js'
export type { StandardSchema } from './standard-schema.js'
export { checkPattern, checkSubject, decodeToken, encodeToken, match, subject } from './subject.js'
export { SubjectIndex } from './subject-index.js'
export { type Address, type AnyTopic, type Topic, type TopicOptions, type TopicParams, topic } from './topic.js'
export type { ConsumerSettings, ResolvedConsumer, ResolvedStream, StartAt, StreamDefinition } from './topology.js'
export type { Transaction, TransactionPublishOptions } from './transaction.js'
export type {
  BatchContext,
  BatchHandler,
  BatchPoolOptions,
  Handler,
  HandlerContext,
  Pool,
  PoolOptions,
  PoolStats,
  StopReport,
} from './worker-pool-options.js'
