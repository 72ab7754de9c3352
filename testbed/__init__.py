"""A real Kubernetes and real ZooKeeper servers on one machine, for the demo, the tests and the benchmarks.

Three sizes, each of parts that users run: plain ZooKeeper servers (`zookeepers`), an API server with its controllers
(`api`), and whole nodes that run pods (`cluster`). `python -m testbed --help` lists the commands.
"""
