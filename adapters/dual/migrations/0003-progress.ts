/** How deliveries are settled and ranges of the outbox end: functions, so that each is one round trip and needs no transaction block. */
export const progress = `
create function is_settled(p_consumer int, p_floor bigint, p_position bigint) returns boolean language sql stable
set search_path = %schema%, pg_temp as $$
  select case when p_position <= p_floor
    then not exists (select from owed o where o.consumer_id = p_consumer and o.position = p_position)
    else exists (select from settled d where d.consumer_id = p_consumer and d.position = p_position) end
$$;

-- Of these messages, the ones that no consumer of the stream still needs.
create function unwanted(p_stream int, p_positions bigint[]) returns bigint[] language sql stable set search_path = %schema%, pg_temp as $$
  select array(
    select l.position from ledger l
    where l.stream_id = p_stream and l.position = any (p_positions) and not exists (
      select from consumers c where c.stream_id = p_stream and l.subject ~ c.pattern and not is_settled(c.id, c.floor, l.position)
    )
  )
$$;

-- Records that consumers are done with messages; idempotent.
create function note_settled(p_consumers int[], p_positions bigint[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  if current_setting('synchronous_commit') in ('off', 'local') then perform set_config('synchronous_commit', 'on', true); end if;
  insert into settled (consumer_id, position)
  select u.consumer, u.position from unnest(p_consumers, p_positions) u(consumer, position)
  order by u.consumer, u.position on conflict do nothing;
  if exists (select from owed where consumer_id = any (p_consumers)) then
    delete from owed o using unnest(p_consumers, p_positions) u(consumer, position)
    where o.consumer_id = u.consumer and o.position = u.position;
  end if;
end $$;

-- Work queues let go of what is settled, and so do streams that keep a message only while somebody is interested, once nobody is.
create function let_go(p_consumers int[], p_positions bigint[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
declare
  queue record;
begin
  for queue in
    select s.id, s.retention, array_agg(u.position) as positions
    from unnest(p_consumers, p_positions) u(consumer, position)
    join consumers c on c.id = u.consumer join streams s on s.id = c.stream_id
    where s.retention <> 'limits' group by s.id, s.retention order by s.id
  loop
    perform forget(queue.id, case queue.retention when 'workqueue' then queue.positions else unwanted(queue.id, queue.positions) end);
  end loop;
end $$;

create function settle(p_consumers int[], p_positions bigint[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform note_settled(p_consumers, p_positions);
  perform let_go(p_consumers, p_positions);
end $$;

-- The streams that lose a message when these consumers settle one.
create function queues_of(p_consumers int[]) returns int[] language sql stable set search_path = %schema%, pg_temp as $$
  select array(
    select distinct s.id from consumers c join streams s on s.id = c.stream_id where c.id = any (p_consumers) and s.retention <> 'limits'
  )
$$;

-- The end of a handler's transaction: settles its deliveries and appends what it published, be it to the stream that it reads. All streams
-- are locked before the first of them is changed. Answers as append() does.
create function settle_and_append(p_consumers int[], p_positions bigint[], p_owner uuid, p_rows text, p_payloads bytea) returns json
language plpgsql set search_path = %schema%, pg_temp as $$
declare
  drafts draft[] := drafts_of(p_rows, p_payloads);
begin
  perform note_settled(p_consumers, p_positions);
  perform lock_streams(array(select distinct stream_id from unnest(drafts)) || queues_of(p_consumers));
  perform let_go(p_consumers, p_positions);
  return append(p_owner, drafts, false);
end $$;

-- Of these positions, those that the consumer need not see: settled, or gone from the ledger.
create function not_needed(p_consumer int, p_positions bigint[]) returns setof bigint language sql stable set search_path = %schema%, pg_temp as $$
  select u.position from unnest(p_positions) u(position), consumers c
  where c.id = p_consumer and (is_settled(c.id, c.floor, u.position)
    or not exists (select from ledger l where l.stream_id = c.stream_id and l.position = u.position))
$$;

-- Stores a dead letter and settles the delivery that it is of: both or neither (PG-I4). A message that is settled, by a transaction whose
-- commit was not heard of (PG-U1), is not dead: then it answers as if the letter were there already.
create function bury(p_owner uuid, p_rows text, p_payloads bytea, p_consumer int, p_position bigint, p_lock_ms int) returns json
language plpgsql set search_path = %schema%, pg_temp as $$
declare
  drafts draft[] := drafts_of(p_rows, p_payloads);
  answer json;
begin
  if p_lock_ms is not null then perform set_config('lock_timeout', p_lock_ms::text, true); end if;
  -- Waits for a transaction that is about to settle it; before the stream is locked, as such a transaction does it.
  insert into settled (consumer_id, position) values (p_consumer, p_position) on conflict do nothing;
  if not found or exists (
    select from consumers c where c.id = p_consumer and p_position <= c.floor
      and not exists (select from owed o where o.consumer_id = c.id and o.position = p_position)
  ) then return '{"runs": [], "odd": [[0, "duplicate", 0]]}'; end if;
  perform lock_streams(array(select distinct stream_id from unnest(drafts)) || queues_of(array[p_consumer]));
  answer := append(p_owner, drafts, true);
  if exists (select from json_array_elements(answer -> 'odd') o where o ->> 1 in ('full', 'conflict')) then
    delete from settled where consumer_id = p_consumer and position = p_position;
  else
    perform settle(array[p_consumer], array[p_position]);
  end if;
  return answer;
end $$;

-- Puts messages aside, in order, until the inner backend takes them. Under the stream's lock, so that nobody waits for one that has just left.
create function park(p_stream int, p_positions bigint[], p_keys text[], p_round text) returns void language plpgsql
set search_path = %schema%, pg_temp as $$
begin
  perform lock_streams(array[p_stream]);
  insert into parked (stream_id, position, key, round, retry_at)
  select p_stream, u.position, u.key, p_round, case
    when u.key is null or u.nth = 1 and not exists (select from parked p where p.stream_id = p_stream and p.key = u.key)
    then clock_timestamp() + interval '1 second' else 'infinity' end
  from (
    select v.position, v.key, row_number() over (partition by v.key order by v.position) as nth
    from unnest(p_positions, p_keys) v(position, key)
  ) u on conflict do nothing;
end $$;

-- Messages that the inner backend has taken after all, or that are gone: the next ones of their keys are tried now.
create function unpark(p_stream int, p_positions bigint[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform lock_streams(array[p_stream]);
  with taken as (
    delete from parked where stream_id = p_stream and position = any (p_positions) returning key, position
  )
  update parked n set retry_at = clock_timestamp() from taken t
  where n.stream_id = p_stream and n.position = (
    select min(m.position) from parked m where m.stream_id = p_stream and m.key = t.key and m.position > t.position
  );
end $$;

-- Ranges that the inner backend has now. Who lost a range to another process ends nothing (PG-L2). If a crash undoes this, the range is sent
-- again and recognised: it need not wait for the disk.
create function relayed(p_owner uuid, p_streams int[], p_firsts bigint[]) returns void language plpgsql
set search_path = %schema%, pg_temp as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  delete from outbox o using unnest(p_streams, p_firsts) u(stream_id, first)
  where o.stream_id = u.stream_id and o.first = u.first and o.owner = p_owner;
end $$;

-- The lead of a stream, taken or kept. If a crash undoes it, two may lead for a moment, and what is sent twice is recognised: it need not wait
-- for the disk.
create function lead(p_stream int, p_owner uuid, p_ms int) returns boolean language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into leads as l (stream_id, owner, until) values (p_stream, p_owner, clock_timestamp() + p_ms * interval '1 millisecond')
  on conflict (stream_id) do update set owner = excluded.owner, until = excluded.until
    where l.owner = excluded.owner or l.until < clock_timestamp();
  return found;
end $$;
create function give_up_lead(p_stream int, p_owner uuid) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  delete from leads where stream_id = p_stream and owner = p_owner;
end $$;
`
