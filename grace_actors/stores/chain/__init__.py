"""A hash-chained, segmented, append-only log of byte records that repairs itself at open."""

from grace_actors.stores.chain.frames import GENESIS, MAX_RECORD_BYTES, Walk, walk
from grace_actors.stores.chain.log import ChainLog, Note
from grace_actors.stores.chain.segment import Segment

__all__ = ["GENESIS", "MAX_RECORD_BYTES", "ChainLog", "Note", "Segment", "Walk", "walk"]
