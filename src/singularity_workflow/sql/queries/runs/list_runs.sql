select singularity_workflow.list_runs(
  %(statuses)s::text[], %(workflow)s::text, %(tags)s::text[], %(since)s::timestamptz, %(before)s::uuid, %(limit)s::integer);
