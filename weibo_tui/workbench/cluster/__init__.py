"""Labeling of many files on Ray: on all cores or GPUs of this machine, or on a cluster.

The workbench calls `labeling`, which starts `driver`, a child process that alone talks to Ray. There, `work` finds the
files, makes a `plan` and runs the `pipeline`. On the nodes, `reader` reads files and `worker` labels their parts.
"""
