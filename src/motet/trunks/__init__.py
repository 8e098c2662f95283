"""Trunks: what the heads of several tasks share on top of the pair of vectors."""

from motet.trunks.base import Trunk
from motet.trunks.cross_network import CrossNetwork
from motet.trunks.interaction import Interaction
from motet.trunks.mmoe import MMoE
from motet.trunks.ple import PLE
from motet.trunks.shared_bottom import SharedBottom

__all__ = ["PLE", "CrossNetwork", "Interaction", "MMoE", "SharedBottom", "Trunk"]
