"""Prints the rate of OpenBLAS's sgemm on one thread, in floating-point operations per second: the median of three
seconds' tries, in processor time.

The matrices are those of a window of 512 tokens and a feed-forward weight of 2048 × 2048.
"""

import ctypes
import ctypes.util
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"
blas = ctypes.CDLL(ctypes.util.find_library("openblas") or "libopenblas.so.0")
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
M, N, K = 512, 2048, 2048

a, b, c = ((ctypes.c_float * size)(*([0.5] * size)) for size in (M * K, N * K, M * N))
one, zero = ctypes.c_float(1), ctypes.c_float(0)
tries = []
end = time.monotonic() + 3
while time.monotonic() < end:
    start = time.process_time()
    blas.cblas_sgemm(ROW_MAJOR, PLAIN, TRANSPOSED, M, N, K, one, a, K, b, K, zero, c, N)
    tries.append(time.process_time() - start)
tries.sort()
print(2 * M * N * K / tries[len(tries) // 2])
