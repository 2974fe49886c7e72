"""Faults in the real processes: workers killed, Redis emptied, PostgreSQL crashed; and what must hold all the same.

`bin/chaos` runs it. A scripted upstream keeps a ledger of every call it got, the clients and the faults write a
history, triggers log every change of a job's row; after each scenario one checker goes over all three.
"""
