-- sent through the pool: only a connection that really listens hears it
select pg_notify('singularity_workflow_events', %(payload)s::text);
