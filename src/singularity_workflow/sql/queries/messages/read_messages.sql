select singularity_workflow.read_messages(
  %(queue)s::text, %(pos)s::bigint, %(id)s::bigint, %(limit)s::integer, %(positions)s::bigint[], %(bare)s::boolean);
