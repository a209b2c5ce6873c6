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
  -- When the last one was given: times grow with positions, also when the clock is put back.
  last_time     timestamptz(3) not null default '-infinity',
  -- When the server that gave it had started. Another one may be a standby that took over, or a restored copy: it may lack the newest rows.
  server_start  timestamptz not null default pg_postmaster_start_time(),
  -- What is kept.
  messages      bigint not null default 0,
  bytes         bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Stretches of positions that nobody is given any more: another server may have given them, whose rows this one never had (PG-D4). What the
-- inner backend has of them is not in the ledger.
create table skipped (
  stream_id  int not null references streams on delete cascade,
  first      bigint not null,
  last       bigint not null,
  primary key (stream_id, first)
);

-- What the inner backend's stream was when it was last seen: which one, and how far it had come. Not in streams, whose rows appends lock.
create table inner_marks (
  stream_id   int primary key references streams on delete cascade,
  generation  text,
  high        bigint not null
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

-- Who relays what has piled up of a stream: one process at a time, whoever stored it, in long strides. Taken and kept by the clock of this server.
create table leads (
  stream_id  int primary key references streams on delete cascade,
  owner      uuid not null,
  until      timestamptz not null
);

-- Messages that the inner backend refuses for what they are, such as their size, and those of their keys that come after them. The first of
-- each key is tried again from time to time; the others wait for it, and nobody else does.
create table parked (
  stream_id  int not null references streams on delete cascade,
  position   bigint not null,
  key        text,
  round      text not null,
  tries      int not null default 0,
  -- Never, for those that wait for one of their key.
  retry_at   timestamptz not null,
  primary key (stream_id, position)
);
create index parked_due on parked (stream_id, retry_at);
create index parked_keys on parked (stream_id, key, position) where key is not null;

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
