create schema if not exists singularity_workflow;

create table if not exists singularity_workflow.schema_migrations (
  kind       text not null,
  name       text not null,
  number     integer,
  checksum   text not null,
  library    text not null,
  started_at timestamptz not null default clock_timestamp(),
  applied_at timestamptz,
  primary key (kind, name),
  constraint schema_migrations_kind_is_known check (kind in ('migration', 'function')),
  constraint schema_migrations_migration_has_number check ((kind = 'migration') = (number is not null))
);
