select singularity_workflow.send_hints(%(key)s::bigint, %(ended)s::uuid[], %(events)s::bigint[]);
