update singularity_workflow.schema_migrations
set applied_at = clock_timestamp()
where kind = %(kind)s and name = %(name)s;
