select singularity_workflow.emit_events(%(batch)s::json);
