-- null: it is in progress
select nullif(pg_catalog.pg_xact_status(%(xid)s::text::pg_catalog.xid8), 'in progress');
