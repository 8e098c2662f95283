"""Trunks: layers between the pair of vectors and the heads, shared by several tasks."""

from motet.trunks.base import Trunk
from motet.trunks.cross_network import CrossNetwork
from motet.trunks.interaction import Interaction
from motet.trunks.mmoe import MMoE
from motet.trunks.ple import PLE
from motet.trunks.shared_bottom import SharedBottom

__all__ = ["PLE", "CrossNetwork", "Interaction", "MMoE", "SharedBottom", "Trunk"]
