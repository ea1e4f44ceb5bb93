-- Must be alone in its message: it cannot run in a transaction.
create database singularity_workflow;
