-- One row if the database of the embedded server is there.
select 1 from pg_catalog.pg_database where datname = 'singularity_workflow';
