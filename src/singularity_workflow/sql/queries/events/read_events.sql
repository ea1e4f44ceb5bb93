select singularity_workflow.read_messages(
  'workflow_events', %(pos)s::bigint, %(id)s::bigint, %(limit)s::integer, %(positions)s::bigint[],
  %(bare)s::boolean, %(runs)s::uuid[]);
