"""The event log: one commit-ordered list of what happened, with dense positions, read by every way of listening.

    writer's transaction ─ append ─► outbox ─ relay (one leader) ─► event_log ─► tail of each process ─► listeners
                                                  └─ Redis: "look", the batch, the head each second ─┘

Rules:
1. An event is written in the transaction of its cause; so it exists exactly if its cause does.
2. Only the relay gives positions, one transaction a batch, on the connection that holds the leader's lock. Positions are dense.
3. A tail takes events from the local relay or from Redis, and reads from PostgreSQL whatever it finds missing: a hole between
   positions, a head announced that it does not know, or silence. Redis may lose everything: that costs time, never events.
4. What is too old leaves in pieces: tables of consecutive positions, made ahead and dropped whole by the leader.
5. A listener is only a position. It reads behind it from the tail's memory or from PostgreSQL, so there is no seam between
   replay and live, and no queue that a slow listener could fill.
"""

from app.infra.event_log.journal import Lost, append, head, last_about, read_after
from app.infra.event_log.pieces import discard_before
from app.infra.event_log.relay import Relay
from app.infra.event_log.tail import Tail

__all__ = ["Lost", "Relay", "Tail", "append", "discard_before", "head", "last_about", "read_after"]
