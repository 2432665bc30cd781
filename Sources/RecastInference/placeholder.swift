import Recast
import COpenBLAS
