select to_regclass('singularity_workflow.schema_migrations') is not null;
