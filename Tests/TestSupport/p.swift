import Recast
