select pg_catalog.pg_current_xact_id()::text,
       pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', true);
