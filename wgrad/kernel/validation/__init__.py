"""Judges of WGSL: wgrad's own type pass, naga, and Tint in a browser or in Dawn."""

from .validating import Judgement as Judgement
from .validating import Message as Message
from .validating import Validation as Validation
from .validating import validate as validate
