/** Messages that readers see later: how they are kept, and how they are appended when their time has come. */
export const delayed = `
-- Takes messages that readers shall see only after a while. Answers as append() does; positions are given when the time has come.
create function postpone_batch(p_rows text, p_payloads bytea, p_delays int[], p_lock_ms int) returns json
language plpgsql set search_path = %schema%, pg_temp as $$
declare
  drafts draft[] := drafts_of(p_rows, p_payloads);
  odd json;
  skipped int[];
begin
  perform set_config('lock_timeout', p_lock_ms::text, true);
  perform lock_streams(array(select distinct stream_id from unnest(drafts)));
  select coalesce(json_agg(json_build_array(k.ord, k.status, k.place)), '[]'), coalesce(array_agg(k.ord), '{}')
  into odd, skipped from known(drafts, true) k;
  insert into delayed (stream_id, due_at, id, dedup_id, deduped, subject, key, headers, payload, hash, bytes)
  select stream_id, clock_timestamp() + p_delays[ord + 1] * interval '1 millisecond', id, dedup_id, deduped, subject, key, headers, payload,
    decode(hash, 'hex'), bytes
  from unnest(drafts) d where d.ord <> all (skipped) order by d.ord;
  return json_build_object('runs', '[]'::json, 'odd', odd);
end $$;

-- Appends delayed messages of one stream whose time has come, in the order of their times, and tells how many. What a full stream refuses
-- waits for another second; what the ledger has meanwhile is dropped.
create function promote_of(p_stream int, p_owner uuid) returns int language plpgsql set search_path = %schema%, pg_temp as $$
declare
  -- A constant, so that the index is searched by it.
  now_at timestamptz := clock_timestamp();
  due delayed[];
  drafts draft[];
  answer json;
begin
  with taken as (
    delete from delayed where number in (
      select number from delayed where stream_id = p_stream and due_at <= now_at order by due_at, number limit 1000
    ) returning *
  ) select array_agg(t order by t.due_at, t.number) into due from taken t;
  if due is null then return 0; end if;
  drafts := array(
    select row(d.at - 1, d.stream_id, d.id, d.dedup_id, d.deduped, true, d.subject, d.key, d.headers, encode(d.hash, 'hex'), 0, 0, d.bytes,
      d.payload)::draft
    from unnest(due) with ordinality d(number, stream_id, due_at, id, dedup_id, deduped, subject, key, headers, payload, hash, bytes, at)
  );
  answer := append(p_owner, drafts, true);
  insert into delayed (stream_id, due_at, id, dedup_id, deduped, subject, key, headers, payload, hash, bytes)
  select d.stream_id, clock_timestamp() + interval '1 second', d.id, d.dedup_id, d.deduped, d.subject, d.key, d.headers, d.payload,
    decode(d.hash, 'hex'), d.bytes
  from json_array_elements(answer -> 'odd') o join unnest(drafts) d on d.ord = (o ->> 0)::int
  where o ->> 1 = 'full';
  return array_length(due, 1);
end $$;

-- Appends delayed messages whose time has come. Answers with how many were moved, and with the ms until the next one is due, or null.
create function promote(p_owner uuid) returns json language plpgsql set search_path = %schema%, pg_temp as $$
declare
  now_at timestamptz := clock_timestamp();
  stream int;
  moved int := 0;
begin
  -- One process at a time: another would wait for the same rows, to find them gone.
  if not pg_try_advisory_xact_lock(hashtext(current_schema()), -1) then return json_build_object('moved', 0, 'next', 100); end if;
  perform set_config('lock_timeout', '200', true);
  for stream in
    select s.id from streams s where exists (select from delayed d where d.stream_id = s.id and d.due_at <= now_at) order by s.id
  loop
    begin
      moved := moved + promote_of(stream, p_owner);
    exception when lock_not_available then
      null; -- An open transaction holds the stream: the others do not wait for it (PG-L1).
    end;
  end loop;
  return json_build_object('moved', moved, 'next', (
    select greatest(0, extract(epoch from n.due_at - clock_timestamp()) * 1000)::bigint
    from (
      select min(d.due_at) as due_at
      from streams s cross join lateral (select due_at from delayed where stream_id = s.id order by due_at limit 1) d
    ) n where n.due_at is not null
  ));
end $$;
`
