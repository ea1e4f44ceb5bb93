-- a step may think for as long as its own timeout lets it. Of a worker that vanishes
-- meanwhile the server then learns by keepalives alone: soon, as its locks stay till then
select pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
       pg_catalog.set_config('tcp_keepalives_idle', '10', true),
       pg_catalog.set_config('tcp_keepalives_interval', '5', true),
       pg_catalog.set_config('tcp_keepalives_count', '3', true);
