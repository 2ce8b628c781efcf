"""What playbooks can do: every action there is, performed through a kernel's Context.

The catalogue is `grace_actors.actions.catalogue`; nothing is imported here, so that the tools, which run as commands of
their own, start fast.
"""
