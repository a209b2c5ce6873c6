/** What makes questions about the past cheap, and views for people: messages, lag, dead letters, throughput. Nothing here is written to. */
export const views = `
-- The messages of a key, in order. By hash, because keys may be long and this index is the only one that is not filled from one end.
create index ledger_keys on ledger (stream_id, hashtext(key), position) where key is not null;
-- Rows that ledger_ids does not find by their id: redriven messages, and streams that recognise nothing.
create index ledger_other_ids on ledger (stream_id, id) where dedup_id is not null or not deduped;
-- For views only; readers find a time by position_at().
create index ledger_time on ledger using brin (time) with (autosummarize = on);
create index ledger_dead on ledger (stream_id, position) where strpos(headers, '"Busbar-Dead-Consumer":') > 0;

-- The position from which on a stream's rows are of that time or later; one past the last when there are none. Times of a stream grow with
-- its positions, so some thirty probes of the primary key do without an index by time.
create function position_at(p_stream int, p_time timestamptz) returns bigint language plpgsql stable set search_path = %schema%, pg_temp as $$
declare
  low bigint;
  high bigint;
  probe record;
begin
  select min(position), max(position) + 1 into low, high from ledger where stream_id = p_stream;
  if low is null then return (select s.high + 1 from streams s where s.id = p_stream); end if;
  while low < high loop
    select position, time into probe from ledger
    where stream_id = p_stream and position >= low + (high - low) / 2 order by position limit 1;
    if probe.time < p_time then low := probe.position + 1; else high := low + (high - low) / 2; end if;
  end loop;
  return low;
end $$;

-- What is over age in a stream and still there: where the rest begins, and how much lies before it. Looks at 10,000 rows at most, which is
-- as far as cleaning lags behind.
create function over_age(p_stream int) returns table (first bigint, messages bigint, bytes bigint) language plpgsql stable
set search_path = %schema%, pg_temp as $$
declare
  age bigint := (select s.max_age_ms from streams s where s.id = p_stream);
begin
  first := case when age is null then 0
    else position_at(p_stream, statement_timestamp() - age * interval '1 millisecond' + interval '1 microsecond') end;
  select count(*), coalesce(sum(old.bytes), 0) into messages, bytes
  from (select l.bytes from ledger l where l.stream_id = p_stream and l.position < over_age.first order by l.position limit 10000) old;
  return next;
end $$;

-- Bytes as text, or null when they are none that a column of text can hold (PG-B2).
create function text_of(p_bytes bytea) returns text language plpgsql immutable strict as $$
begin
  return convert_from(p_bytes, 'UTF8');
exception when data_exception then
  return null;
end $$;

-- Text as jsonb, or null when it is no JSON, or JSON that jsonb cannot hold: NUL, half a surrogate pair, too deep, too large (PG-B1).
create function json_of(p_text text) returns jsonb language plpgsql immutable strict as $$
begin
  return p_text::jsonb;
exception when data_exception or program_limit_exceeded then
  return null;
end $$;

-- A header value of a dead letter, with its escapes (%XX, %uXXXX) undone. What text cannot hold becomes U+FFFD (PG-B2).
create function unescaped(p_value text) returns text language plpgsql immutable strict as $$
declare
  quoted text := replace(replace(p_value, '\\', '\\u005C'), '"', '\\u0022');
begin
  quoted := regexp_replace(quoted, '%u([0-9A-F]{4})', '\\\\u\\1', 'g');
  quoted := regexp_replace(quoted, '%([0-9A-F]{2})', '\\\\u00\\1', 'g');
  quoted := replace(quoted, '\\u0000', '\\ufffd');
  quoted := regexp_replace(quoted, '\\\\uD[89AB][0-9A-F]{2}(?!\\\\uD[C-F][0-9A-F]{2})', '\\\\ufffd', 'g');
  quoted := regexp_replace(quoted, '(?<!\\\\uD[89AB][0-9A-F]{2})\\\\uD[C-F][0-9A-F]{2}', '\\\\ufffd', 'g');
  return ('"' || quoted || '"')::jsonb #>> '{}';
exception when data_exception then
  return p_value;
end $$;

-- A number without a sign; null when it is none.
create function number_of(p_digits text) returns bigint language sql immutable strict as $$
  select case when p_digits ~ '^[0-9]{1,15}$' then p_digits::bigint end
$$;

-- Whether a row is young enough for a stream with that limit. Not in the form of a range of times: hardly any row is over age, so an index by
-- time is of no use here.
create function is_seen(p_time timestamptz, p_max_age_ms bigint) returns boolean language sql stable as $$
  select p_max_age_ms is null or p_time > statement_timestamp() - p_max_age_ms * interval '1 millisecond'
$$;

-- What readers may see. text and data are null when the payload is no text, no JSON; payload is what was published.
create view messages as
select s.name as stream, l.position, l.time, l.id, l.key, l.subject, json_of(l.headers) as headers, text_of(l.payload) as text,
  case when strpos(coalesce(l.headers, ''), '"Busbar-Content":"bytes"') = 0 then json_of(text_of(l.payload)) end as data,
  l.payload, l.bytes
from ledger l join streams s on s.id = l.stream_id
where is_seen(l.time, s.max_age_ms);

-- How far each consumer is: what it still has to settle, and since when the oldest of it is there.
create view consumer_lag as
select c.name as consumer, s.name as stream, c.floor as settled_up_to, (
    select count(*) from (
      -- Every subject, any age: the primary keys alone tell.
      select from ledger l
      where c.pattern = '^(?:.+)$' and s.max_age_ms is null and l.stream_id = c.stream_id and l.position > c.floor
        and not exists (select from settled d where d.consumer_id = c.id and d.position = l.position)
      union all
      select from ledger l
      where not (c.pattern = '^(?:.+)$' and s.max_age_ms is null) and l.stream_id = c.stream_id and l.position > c.floor
        and l.subject ~ c.pattern and is_seen(l.time, s.max_age_ms)
        and not exists (select from settled d where d.consumer_id = c.id and d.position = l.position)
      union all
      select from owed o join ledger l on l.stream_id = c.stream_id and l.position = o.position
      where o.consumer_id = c.id and o.position <= c.floor and is_seen(l.time, s.max_age_ms)
    ) unsettled
  ) as unsettled, least((
    select l.time from ledger l
    where l.stream_id = c.stream_id and l.position > c.floor and l.subject ~ c.pattern and is_seen(l.time, s.max_age_ms)
      and not exists (select from settled d where d.consumer_id = c.id and d.position = l.position)
    order by l.position limit 1
  ), (
    select l.time from owed o join ledger l on l.stream_id = c.stream_id and l.position = o.position
    where o.consumer_id = c.id and o.position <= c.floor and is_seen(l.time, s.max_age_ms)
    order by o.position limit 1
  )) as oldest_time
from consumers c join streams s on s.id = c.stream_id;

-- Messages that were given up, as src/dead-letter.ts writes them: the facts of the original, and its payload.
create view dead_letters as
select stream, position, unescaped(h ->> 'Busbar-Dead-Consumer') as consumer, unescaped(h ->> 'Busbar-Dead-Reason') as reason,
  unescaped(h ->> 'Busbar-Dead-Id') as id, unescaped(h ->> 'Busbar-Dead-Subject') as subject, key,
  unescaped(h ->> 'Busbar-Dead-Stream') as original_stream, number_of(h ->> 'Busbar-Dead-Sequence') as original_position,
  number_of(h ->> 'Busbar-Dead-Attempts') as attempts,
  unescaped(h ->> 'Busbar-Dead-First-Error') as first_error, unescaped(h ->> 'Busbar-Dead-Last-Error') as last_error,
  to_timestamp(number_of(h ->> 'Busbar-Dead-Published-At') / 1000.0) as published_at,
  to_timestamp(number_of(h ->> 'Busbar-Dead-First-Failed-At') / 1000.0) as first_failed_at,
  to_timestamp(number_of(h ->> 'Busbar-Dead-At') / 1000.0) as dead_at, text_of(payload) as text, payload
from (
  select s.name as stream, l.position, l.key, l.payload, json_of(l.headers) as h
  from ledger l join streams s on s.id = l.stream_id
  where strpos(l.headers, '"Busbar-Dead-Consumer":') > 0 and is_seen(l.time, s.max_age_ms)
) dead;

-- What was accepted in each minute of the last day and is still kept.
create view throughput as
select date_trunc('minute', l.time) as minute, s.name as stream, count(*) as messages, sum(l.bytes)::bigint as bytes
from ledger l join streams s on s.id = l.stream_id
where l.time > statement_timestamp() - interval '1 day'
group by 1, 2;
`
