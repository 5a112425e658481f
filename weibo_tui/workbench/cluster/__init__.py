"""Labeling of many files on Ray: on all cores or GPUs of this machine, or on a cluster.

`labeling` is called by the workbench. It starts `driver`, a child process that alone talks to Ray: it makes a `plan`,
and runs the `pipeline`. On the nodes, `parts` reads files and `worker` labels their parts.
"""
