/** Positions that are skipped after a change of servers grow with fractions of a second: two changes within one second gave the same. */
export const skips = `
create or replace function skip_unknown(p_streams int[]) returns void language plpgsql set search_path = %schema%, pg_temp as $$
begin
  perform skip_to(s.id, floor(100000 * extract(epoch from clock_timestamp() - timestamptz '2025-01-01 00:00:00Z'))::bigint) from streams s
  where s.id = any (p_streams) and s.server_start <> pg_postmaster_start_time();
end $$;
`
