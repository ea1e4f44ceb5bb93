select singularity_workflow.metrics();
