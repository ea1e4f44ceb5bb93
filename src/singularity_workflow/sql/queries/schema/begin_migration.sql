insert into singularity_workflow.schema_migrations (kind, name, number, checksum, library)
values (%(kind)s, %(name)s, %(number)s, %(checksum)s, %(library)s)
on conflict (kind, name) do update
set checksum = excluded.checksum, library = excluded.library,
    started_at = clock_timestamp(), applied_at = null;
