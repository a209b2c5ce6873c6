/** The first schema: what a ledger, its outbox and the progress of its consumers look like. Never edited once released: later changes are files of their own. */
export const ledger = `
-- One row a stream. Its id is short, because every message carries it.
create table streams (
  id            int generated always as identity primary key,
  name          text not null unique,
  -- As declared; unlimited is null.
  definition    jsonb not null,
  retention     text not null,
  discard       text not null,
  max_messages  bigint,
  max_bytes     bigint,
  max_age_ms    bigint,
  -- Positions up to here were given, though their rows may be gone.
  high          bigint not null default 0,
  -- What is kept, counted only while max_messages or max_bytes is set.
  messages      bigint not null default 0,
  bytes         bigint not null default 0,
  -- What the inner backend's stream was when it was last seen: which one, and how far it had come.
  inner_generation text,
  inner_high    bigint not null default 0
);

-- Append only. The rows of a stream become visible in the order of their positions, because append() holds the stream's lock until it commits
-- (PG-V1, PG-V4; docs/adr/0009): "position > last" never skips a row. Partition-ready: nothing refers to a row but by (stream_id, position).
create table ledger (
  -- Of a stream that is there: append() reads its row, and keep_stream() refuses to delete it. A foreign key would look at that row again for
  -- each message, which takes as long as the rest of an append.
  stream_id  int not null,
  position   bigint not null,
  time       timestamptz(3) not null,
  id         text not null,
  -- What repetitions are recognised by, when it is not the id.
  dedup_id   text,
  -- False in streams that recognise nothing.
  deduped    boolean not null,
  subject    text not null,
  key        text,
  -- JSON text, not jsonb: exactly the headers that were published (PG-B1).
  headers    text,
  payload    bytea not null,
  -- SHA-256 over what makes two publishes of one id the same, cut to 16 bytes.
  hash       bytea not null,
  -- Payload and headers, as they count against limits.
  bytes      int not null,
  primary key (stream_id, position)
);
create function keep_stream() returns trigger language plpgsql set search_path = %schema%, pg_temp as $$
begin
  if exists (select from ledger where stream_id = old.id) then
    raise foreign_key_violation using message = format('stream %s has messages', old.name);
  end if;
  return old;
end $$;
create trigger keep_stream before delete on streams for each row execute function keep_stream();
-- The promise that an id is accepted once (PG-U3).
create unique index ledger_ids on ledger (stream_id, coalesce(dedup_id, id)) where deduped;

-- Ids of messages whose rows are gone: limits, work done, removal. Narrow, and kept for as long as ids are.
create table past_ids (
  stream_id  int not null references streams,
  dedup_id   text not null,
  hash       bytea not null,
  position   bigint not null,
  time       timestamptz(3) not null,
  primary key (stream_id, dedup_id)
);
create index past_ids_time on past_ids (time);

-- Messages that no reader sees yet.
create table delayed (
  number     bigint generated always as identity primary key,
  stream_id  int not null references streams,
  due_at     timestamptz(3) not null,
  id         text not null,
  dedup_id   text,
  deduped    boolean not null,
  subject    text not null,
  key        text,
  headers    text,
  payload    bytea not null,
  hash       bytea not null,
  bytes      int not null
);
create index delayed_due on delayed (stream_id, due_at, number);
create unique index delayed_ids on delayed (stream_id, coalesce(dedup_id, id)) where deduped;

-- Processes that relay. A range of the outbox belongs to the process that wrote it until its lease has run out by the clock of this server
-- (PG-L9). Ranges of owners that are not listed here belong to whoever comes first: a transaction of the application wrote them, or a repair.
create table relays (
  owner         uuid primary key,
  leased_until  timestamptz not null
);

-- Ranges of positions that the inner backend may not have. One row for each group commit, not for each message.
create table outbox (
  stream_id  int not null references streams,
  first      bigint not null,
  last       bigint not null,
  owner      uuid not null,
  -- Not empty when the range is sent again on purpose; then it makes the copies new to the inner backend's dedup window.
  round      text not null default '',
  primary key (stream_id, first)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Durable consumers, and where each stands: everything up to its floor is settled unless it is owed; above the floor only what is in settled.
create table consumers (
  id          int generated always as identity primary key,
  name        text not null unique,
  stream_id   int not null references streams,
  definition  jsonb not null,
  -- A regular expression over subjects.
  pattern     text not null,
  floor       bigint not null,
  -- Where the inner backend's consumer begins.
  inner_from  jsonb not null,
  created_at  timestamptz not null default clock_timestamp()
);
create table settled (
  consumer_id  int not null references consumers on delete cascade,
  position     bigint not null,
  primary key (consumer_id, position)
) with (autovacuum_vacuum_scale_factor = 0.05);
create table owed (
  consumer_id  int not null references consumers on delete cascade,
  position     bigint not null,
  primary key (consumer_id, position)
);

-- What handlers finished in a transaction of their own: the row commits with their writes (PG-I1). By consumer and id (PG-I2).
create table inbox (
  consumer_id  int not null references consumers on delete cascade,
  id           text not null,
  position     bigint not null,
  processed_at timestamptz not null default clock_timestamp(),
  primary key (consumer_id, id)
);
create index inbox_time on inbox (processed_at);
`
