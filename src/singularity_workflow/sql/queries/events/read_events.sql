select singularity_workflow.read_events(
  %(pos)s::bigint, %(id)s::bigint, %(limit)s::integer, %(runs)s::uuid[], %(positions)s::bigint[]);
