select pg_advisory_unlock(hashtextextended('singularity_workflow.schema', 0));
