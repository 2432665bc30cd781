"""What llama.cpp needs for the same work on one thread, through llama-cpp-python. Prints seconds: of the
clock for quantize, of the processor for evaluate.

    llama_cpp_peer.py quantize SOURCE.gguf DESTINATION.gguf FILE_TYPE
    llama_cpp_peer.py evaluate MODEL.gguf TEXT      windows of 512 tokens (a byte is a token), loading not counted
"""

import sys
import time

import llama_cpp

CONTEXT = 512
# Some names have letters of both cases in llama.cpp.
FILE_TYPES = {name.lower(): name for name in ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")}


def quantize(source, destination, name):
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread = 1
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{FILE_TYPES.get(name, name.upper())}")
    start = time.monotonic()
    if llama_cpp.llama_model_quantize(source.encode(), destination.encode(), params) != 0:
        sys.exit("llama.cpp did not quantize")
    print(time.monotonic() - start)


def evaluate(path, text):
    model = llama_cpp.Llama(
        path, n_ctx=CONTEXT, n_batch=CONTEXT, n_ubatch=CONTEXT, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False
    )
    tokens = model.tokenize(open(text, "rb").read(), add_bos=False)
    windows = [tokens[start : start + CONTEXT] for start in range(0, len(tokens) - CONTEXT + 1, CONTEXT)]
    start = time.process_time()
    for window in windows:
        model.reset()
        model.eval(window)
    print(time.process_time() - start)


{"quantize": quantize, "evaluate": evaluate}[sys.argv[1]](*sys.argv[2:])
