select pg_advisory_lock(hashtextextended('singularity_workflow.schema', 0));
