/** Attempts that failed are counted in the ledger: a broker that loses a stream, or its tail, loses its own count of them. */
export const failed = `
-- Messages that are not settled and that a consumer has failed to handle: how often, and when the next attempt is due at the earliest.
create table failed (
  consumer_id  int not null references consumers on delete cascade,
  position     bigint not null,
  attempt      int not null,
  due_at       timestamptz not null,
  primary key (consumer_id, position)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Idempotent: a count only rises.
create function note_failed(p_consumers int[], p_positions bigint[], p_attempts int[], p_delays bigint[]) returns void language sql
set search_path = %schema%, pg_temp as $$
  insert into failed as f (consumer_id, position, attempt, due_at)
  select u.consumer, u.position, max(u.attempt), clock_timestamp() + max(u.delay) * interval '1 millisecond'
  from unnest(p_consumers, p_positions, p_attempts, p_delays) u(consumer, position, attempt, delay)
  group by u.consumer, u.position order by u.consumer, u.position
  on conflict (consumer_id, position) do update set attempt = greatest(f.attempt, excluded.attempt), due_at = excluded.due_at
$$;

create or replace function note_settled(p_consumers int[], p_positions bigint[]) returns void language plpgsql
set search_path = %schema%, pg_temp as $$
begin
  if current_setting('synchronous_commit') in ('off', 'local') then perform set_config('synchronous_commit', 'on', true); end if;
  insert into settled (consumer_id, position)
  select u.consumer, u.position from unnest(p_consumers, p_positions) u(consumer, position)
  order by u.consumer, u.position on conflict do nothing;
  if exists (select from owed where consumer_id = any (p_consumers)) then
    delete from owed o using unnest(p_consumers, p_positions) u(consumer, position)
    where o.consumer_id = u.consumer and o.position = u.position;
  end if;
  if exists (select from failed where consumer_id = any (p_consumers)) then
    delete from failed f using unnest(p_consumers, p_positions) u(consumer, position)
    where f.consumer_id = u.consumer and f.position = u.position;
  end if;
end $$;
`
