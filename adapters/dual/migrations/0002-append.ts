/** How messages get into the ledger: one function, so that a group commit is one round trip. Its steps are told where they are. */
export const append = `
-- A message on its way into the ledger. "start" and "length" say where its payload lies in the batch's payloads.
create type draft as (
  ord int, stream_id int, id text, dedup_id text, deduped boolean, fresh boolean, subject text, key text, headers text,
  hash text, start int, length int, bytes int, payload bytea
);

-- What is known already of drafts: accepted before, or earlier in the same batch. Fresh ids are not looked up unless p_all says so.
create function known(p_drafts draft[], p_all boolean)
returns table (ord int, status text, place bigint) language sql stable set search_path = %schema%, pg_temp as $$
  with wanted as (
    select d.ord, d.stream_id, coalesce(d.dedup_id, d.id) as dedup_id, decode(d.hash, 'hex') as hash
    from unnest(p_drafts) d where d.deduped and (p_all or not d.fresh)
  ), before as (
    select w.ord, w.hash, l.hash as other, l.position
    from wanted w join ledger l on l.stream_id = w.stream_id and coalesce(l.dedup_id, l.id) = w.dedup_id and l.deduped
    union all
    select w.ord, w.hash, p.hash, p.position
    from wanted w join past_ids p on p.stream_id = w.stream_id and p.dedup_id = w.dedup_id
    union all
    select w.ord, w.hash, y.hash, 0
    from wanted w join delayed y on y.stream_id = w.stream_id and coalesce(y.dedup_id, y.id) = w.dedup_id and y.deduped
  ), repeated as (
    select w.ord, w.hash, first_value(w.ord) over same as first, first_value(w.hash) over same as other
    from wanted w window same as (partition by w.stream_id, w.dedup_id order by w.ord)
  )
  select b.ord, case when b.hash = b.other then 'duplicate' else 'conflict' end, b.position from before b
  union all
  select r.ord, case when r.hash = r.other then 'repeated' else 'conflict' end, r.first
  from repeated r where r.first < r.ord and not exists (select from before b where b.ord = r.ord)
$$;

-- Takes messages out of the ledger, and tells how many; their ids stay taken. The stream's row is locked before any of them, as everywhere.
create function forget(p_stream int, p_positions bigint[]) returns bigint language plpgsql set search_path = %schema%, pg_temp as $$
declare
  gone bigint;
begin
  perform from streams where id = p_stream for no key update;
  with taken as (
    delete from ledger where stream_id = p_stream and position = any (p_positions)
    returning position, id, dedup_id, deduped, hash, time, bytes
  ), kept as (
    insert into past_ids (stream_id, dedup_id, hash, position, time)
    select p_stream, coalesce(dedup_id, id), hash, position, time from taken where deduped
    on conflict do nothing
  )
  update streams s set messages = s.messages - t.messages, bytes = s.bytes - t.bytes
  from (select count(*) as messages, coalesce(sum(bytes), 0) as bytes from taken) t
  where s.id = p_stream and t.messages > 0
  returning t.messages into gone;
  return coalesce(gone, 0);
end $$;

-- Makes a stream with limits ready for more: what is over age goes, and with discard "old" the oldest that is over the limits.
create function trim_stream(p_stream int) returns void language plpgsql set search_path = %schema%, pg_temp as $$
declare
  s streams;
  oldest bigint[];
  look int := 1;
begin
  select * into s from streams where id = p_stream for no key update;
  -- Times follow positions: as a rule the oldest row tells that none is over age.
  while s.max_age_ms is not null loop
    select array_agg(first.position) into oldest
    from (select position, time from ledger where stream_id = p_stream order by position limit look) first
    where first.time <= clock_timestamp() - s.max_age_ms * interval '1 millisecond';
    exit when oldest is null;
    perform forget(p_stream, oldest);
    select * into s from streams where id = p_stream;
    look := 1000;
  end loop;
  while s.discard = 'old' and s.messages > 0 and (s.messages > s.max_messages or s.bytes > s.max_bytes) loop
    select array_agg(position) into oldest from (
      select position from ledger where stream_id = p_stream order by position
      limit greatest(1, s.messages - coalesce(s.max_messages, s.messages))
    ) first;
    exit when oldest is null;
    perform forget(p_stream, oldest);
    select * into s from streams where id = p_stream;
  end loop;
end $$;

-- Drafts that a full stream with discard "new" has no room for.
create function unfit(p_drafts draft[], p_stream int) returns int[] language plpgsql set search_path = %schema%, pg_temp as $$
declare
  s streams;
  d draft;
  refused int[] := '{}';
begin
  perform trim_stream(p_stream);
  select * into s from streams where id = p_stream;
  if s.discard = 'old' then return refused; end if;
  for d in select * from unnest(p_drafts) u where u.stream_id = p_stream order by u.ord loop
    if s.messages + 1 > s.max_messages or s.bytes + d.bytes > s.max_bytes then
      refused := refused || d.ord;
    else
      s.messages := s.messages + 1;
      s.bytes := s.bytes + d.bytes;
    end if;
  end loop;
  return refused;
end $$;

-- Nobody else appends to these streams until the commit. A statement of its own: the next one sees what was committed while this one waited.
-- Locks are taken in one order everywhere, so that nobody waits in a circle: rows of inbox, rows of settled, the streams' advisory locks by
-- id, rows of streams by id. Who locks one stream only finds its row locked by its first change.
create function lock_streams(p_streams int[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  -- The rule of acceptance, whatever the server's default says (PG-D1, PG-D2).
  if current_setting('synchronous_commit') in ('off', 'local') then perform set_config('synchronous_commit', 'on', true); end if;
  perform pg_advisory_xact_lock(hashtext(current_schema()), stream_id)
  from (select distinct stream_id from unnest(p_streams) u(stream_id) order by stream_id) locked;
  if cardinality(p_streams) > 1 then perform from streams where id = any (p_streams) order by id for no key update; end if;
end $$;

-- Gives no position up to this one to anybody any more. For who holds the stream's lock.
create function skip_to(p_stream int, p_last bigint) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  insert into skipped (stream_id, first, last) select id, high + 1, p_last from streams where id = p_stream and high < p_last;
  update streams set high = greatest(high, p_last), server_start = pg_postmaster_start_time() where id = p_stream;
end $$;

-- As skip_to(), when somebody was seen to have that position. Answers with where the ledger stood, or null when it knows that position.
create function skip_seen(p_stream int, p_seen bigint) returns bigint language plpgsql set search_path = %schema%, pg_temp as $$
declare
  before bigint;
begin
  perform lock_streams(array[p_stream]);
  select high into before from streams where id = p_stream and high < p_seen;
  if found then perform skip_to(p_stream, p_seen); end if;
  return before;
end $$;

-- As skip_to(), for streams whose last position was given by another server than this one, or before it was restarted: to a position that
-- grows with time, faster than any stream does. So whatever was given before, by whichever copy of this ledger, is lower (PG-D4). After an
-- ordinary restart that is a gap, and nothing more.
create function skip_unknown(p_streams int[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform skip_to(s.id, 100000 * floor(extract(epoch from clock_timestamp() - timestamptz '2025-01-01 00:00:00Z'))::bigint) from streams s
  where s.id = any (p_streams) and s.server_start <> pg_postmaster_start_time();
end $$;

-- Whether messages of these keys must wait: for older ones of theirs that other processes have still to relay, or for any that are parked. Looks
-- no further than this, however much is waiting (PG-O5): behind so much, a message waits in any case.
create function is_behind(p_stream int, p_owner uuid, p_keys text[]) returns boolean language sql stable set search_path = %schema%, pg_temp as $$
  select count(*) = 100 or exists (select from parked p where p.stream_id = p_stream) or coalesce(bool_or(
    o.owner <> p_owner and (o.last - o.first >= 1000 or exists (
      select from ledger l where l.stream_id = p_stream and l.position between o.first and o.last and l.key = any (p_keys)))), false)
  from (select owner, first, last from outbox o where o.stream_id = p_stream order by o.first limit 100) o
$$;

-- Appends drafts in their order, each to its stream. Answers with JSON:
--   runs  [stream_id, first position, last position, time in ms, whether older rows of its keys wait to be relayed by others]
--   odd   [ord, what became of it instead, place]: duplicate, conflict: the position of the first; repeated: the ord of the first; full
-- Who is not odd got the positions of its stream's run, one after the other.
create function append(p_owner uuid, p_drafts draft[], p_all boolean) returns json language plpgsql set search_path = %schema%, pg_temp as $$
declare
  drafts draft[] := p_drafts;
  odd json[] := '{}';
  known_ones json[];
  limited int;
  refused int[];
  runs json;
begin
  perform lock_streams(array(select distinct stream_id from unnest(drafts)));
  perform skip_unknown(array(select distinct stream_id from unnest(drafts)));
  if exists (select from unnest(drafts) where deduped and (p_all or not fresh)) then
    select array_agg(json_build_array(k.ord, k.status, k.place)), array_agg(k.ord) into known_ones, refused from known(drafts, p_all) k;
    if known_ones is not null then
      odd := odd || known_ones;
      drafts := array(select d from unnest(drafts) d where d.ord <> all (refused) order by d.ord);
    end if;
  end if;
  for limited in
    select distinct s.id from streams s join unnest(drafts) d on d.stream_id = s.id where coalesce(s.max_messages, s.max_bytes) is not null
  loop
    refused := unfit(drafts, limited);
    odd := odd || array(select json_build_array(ord, 'full', 0) from unnest(refused) ord);
    drafts := array(select d from unnest(drafts) d where d.ord <> all (refused) order by d.ord);
  end loop;

  with given as (
    update streams s
    set high = s.high + d.messages, messages = s.messages + d.messages, bytes = s.bytes + d.bytes,
      last_time = greatest(s.last_time, clock_timestamp())
    from (select stream_id, count(*) as messages, sum(bytes) as bytes from unnest(drafts) group by stream_id) d
    where s.id = d.stream_id returning s.id, s.high - d.messages as position, s.last_time as time
  ), stored as (
    insert into ledger (stream_id, position, time, id, dedup_id, deduped, subject, key, headers, payload, hash, bytes)
    select d.stream_id, g.position + row_number() over (partition by d.stream_id order by d.ord), g.time, d.id, d.dedup_id, d.deduped,
      d.subject, d.key, d.headers, d.payload, decode(d.hash, 'hex'), d.bytes
    from unnest(drafts) d join given g on g.id = d.stream_id order by 1, 2
    returning stream_id, position, time
  ), run as (
    select stream_id, min(position) as first, max(position) as last, min(time) as time from stored group by stream_id
  ), noted as (
    insert into outbox (stream_id, first, last, owner) select stream_id, first, last, p_owner from run
  )
  select json_agg(json_build_array(r.stream_id, r.first, r.last, (extract(epoch from r.time) * 1000)::bigint,
    is_behind(r.stream_id, p_owner, array(select distinct d.key from unnest(drafts) d where d.stream_id = r.stream_id))))
  into runs from run r;

  for limited in select distinct s.id from streams s join unnest(drafts) d on d.stream_id = s.id
    where s.discard = 'old' and coalesce(s.max_messages, s.max_bytes) is not null
  loop
    perform trim_stream(limited);
  end loop;
  -- Nobody is interested: the position is given, the message is not kept.
  for limited in select distinct s.id from streams s join unnest(drafts) d on d.stream_id = s.id where s.retention = 'interest' loop
    perform forget(limited, array(
      select l.position from ledger l, json_array_elements(runs) r
      where l.stream_id = limited and (r ->> 0)::int = limited and l.position between (r ->> 1)::bigint and (r ->> 2)::bigint
        and not exists (select from consumers c where c.stream_id = limited and l.subject ~ c.pattern)
    ));
  end loop;
  return json_build_object('runs', coalesce(runs, '[]'), 'odd', to_json(odd));
end $$;

-- A batch as it comes from a process: the drafts as JSON, their payloads one after the other.
create function drafts_of(p_rows text, p_payloads bytea) returns draft[] language sql immutable set search_path = %schema%, pg_temp as $$
  select array(
    select row(r.ord, r.stream_id, r.id, r.dedup_id, r.deduped, r.fresh, r.subject, r.key, r.headers, r.hash, r.start, r.length, r.bytes,
      substring(p_payloads from r.start + 1 for r.length))::draft
    from json_populate_recordset(null::draft, p_rows::json) r order by r.ord
  )
$$;

-- Several messages as one statement brings them. p_lock_ms bounds the wait for the streams' locks; null leaves it to the transaction.
create function append_batch(p_owner uuid, p_rows text, p_payloads bytea, p_all boolean, p_lock_ms int) returns json
language plpgsql set search_path = %schema%, pg_temp as $$
begin
  if p_lock_ms is not null then perform set_config('lock_timeout', p_lock_ms::text, true); end if;
  return append(p_owner, drafts_of(p_rows, p_payloads), p_all);
end $$;
`
