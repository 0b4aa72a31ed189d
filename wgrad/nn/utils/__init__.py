"""What is done to models: weights of another form, clipping, all parameters as one vector."""

from . import parametrizations as parametrizations
from . import parametrize as parametrize
from .clip import clip_grad_norm_ as clip_grad_norm_
from .clip import clip_grad_value_ as clip_grad_value_
from .clip import clip_grads_with_norm_ as clip_grads_with_norm_
from .clip import get_total_norm as get_total_norm
from .reweighted import remove_spectral_norm as remove_spectral_norm
from .reweighted import remove_weight_norm as remove_weight_norm
from .reweighted import spectral_norm as spectral_norm
from .reweighted import weight_norm as weight_norm
from .vectors import parameters_to_vector as parameters_to_vector
from .vectors import vector_to_parameters as vector_to_parameters
