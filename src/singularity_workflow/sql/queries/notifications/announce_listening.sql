-- whoever makes events may then spare the hints that nobody would hear
select pg_notify('singularity_workflow_events', 'listening');
