select singularity_workflow.read_messages(
  %(queue)s::text, %(xid)s::bigint, %(id)s::bigint, %(limit)s::integer, %(sent)s::bigint[]);
