select m.kind, m.name, m.number, m.checksum, m.library, m.applied_at is not null
from singularity_workflow.schema_migrations m;
